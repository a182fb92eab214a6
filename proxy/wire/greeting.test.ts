import { test } from 'tap'
import { isHttpGreeting } from './greeting.ts'

test('what a server says first', async (t) => {
  const cases = [
    { name: 'SMTP', bytes: Buffer.from('220 mx.example ESMTP\r\n'), isHttp: false },
    { name: 'an SMTP greeting of which one byte came', bytes: Buffer.from('2'), isHttp: false },
    { name: 'MySQL, protocol 10', bytes: Buffer.from('5b0000000a352e352e352d', 'hex'), isHttp: false },
    {
      name: 'MySQL, too many connections',
      bytes: Buffer.from('170000 00 ff1004'.replaceAll(' ', ''), 'hex'),
      isHttp: false,
    },
    { name: 'SSH', bytes: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), isHttp: false },
    { name: 'VNC', bytes: Buffer.from('RFB 003.008\n'), isHttp: false },
    { name: 'an HTTP/1 timeout', bytes: Buffer.from('HTTP/1.1 408 Request Timeout\r\n'), isHttp: true },
    { name: 'the beginning of one', bytes: Buffer.from('HT'), isHttp: true },
    { name: 'SETTINGS without parameters', bytes: Buffer.from('000000040000000000', 'hex'), isHttp: true },
    { name: 'SETTINGS with three', bytes: Buffer.from('00001204000000000000030000', 'hex'), isHttp: true },
    { name: 'the beginning of SETTINGS', bytes: Buffer.from('00001204', 'hex'), isHttp: true },
    { name: 'one zero', bytes: Buffer.from('00', 'hex'), isHttp: true },
    { name: 'SETTINGS of half a parameter', bytes: Buffer.from('000013040000000000', 'hex'), isHttp: false },
    { name: 'SETTINGS on a stream', bytes: Buffer.from('000012040000000001', 'hex'), isHttp: false },
    { name: 'an acknowledgement', bytes: Buffer.from('000000040100000000', 'hex'), isHttp: false },
  ]
  for (const { name, bytes, isHttp } of cases) t.equal(isHttpGreeting(bytes), isHttp, name)
})
