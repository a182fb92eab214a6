import { isIPv6 } from 'node:net'
import { test } from 'tap'
import {
  canonicalIp,
  cidrContains,
  cidrFromMessage,
  cidrToMessage,
  formatCidr,
  formatIp,
  formatSocketAddress,
  ipFromMessage,
  ipToMessage,
  isLoopback,
  parseCidr,
  parseIp,
  parseSocketAddress,
  tcpAddressFromMessage,
  tcpAddressToMessage,
} from './ip.ts'
import { seededRandom } from './seeded-random.ts'

test('text to bytes and back is canonical', async (t) => {
  const cases = [
    { name: 'IPv4', text: '10.0.0.1', canonical: '10.0.0.1' },
    { name: 'the longest run of zeros is shortened', text: '2001:db8:0:0:1:0:0:0', canonical: '2001:db8:0:0:1::' },
    { name: 'the first of equal runs', text: '2001:db8:0:0:1:0:0:1', canonical: '2001:db8::1:0:0:1' },
    { name: 'one zero group stays', text: '2001:db8:0:1:1:1:1:1', canonical: '2001:db8:0:1:1:1:1:1' },
    { name: 'lower case, no leading zeros', text: '2001:0DB8::00FF', canonical: '2001:db8::ff' },
    { name: 'unspecified', text: '::', canonical: '::' },
    { name: 'loopback', text: '0:0:0:0:0:0:0:1', canonical: '::1' },
    { name: 'mapped IPv4', text: '::ffff:10.0.0.1', canonical: '::ffff:10.0.0.1' },
    { name: 'mapped IPv4 in hexadecimal', text: '::ffff:a00:1', canonical: '::ffff:10.0.0.1' },
    {
      name: 'all ones',
      text: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
      canonical: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    },
  ]
  for (const { name, text, canonical } of cases) {
    t.equal(formatIp(parseIp(text)!), canonical, name)
    t.equal(ipFromMessage(ipToMessage(text)), canonical, `${name}, as a message`)
  }
  for (const text of ['', '10.0.0', '10.0.0.256', '010.0.0.1', 'fe80::1%eth0', ':::', 'web', '1:2:3:4:5:6:7:8:9']) {
    t.equal(parseIp(text), undefined, `"${text}" is no address`)
  }
})

test('what is an IPv6 address is what Node says', async (t) => {
  const random = seededRandom(4)
  const pieces = [
    '0',
    '1',
    'ffff',
    'AbCd',
    '12345',
    'g',
    '',
    '::',
    ':',
    '.',
    '1.2.3.4',
    '256.1.1.1',
    '1.2.3',
    ' ',
    '-1',
  ]
  let addresses = 0
  for (let run = 0; run < 60_000; run++) {
    const groups = Array.from(
      { length: Math.floor(random() * 10) },
      () => pieces[Math.floor(random() ** 3 * pieces.length)]!,
    )
    if (random() < 0.6) groups.splice(Math.floor(random() * groups.length), 1, '')
    let text = groups.join(':')
    if (random() < 0.1) text = `:${text}`
    if (random() < 0.1) text = `${text}:`
    const isAddress = text.includes(':') && parseIp(text) !== undefined
    if (isAddress !== isIPv6(text)) t.fail(`"${text}": ${isAddress}`)
    if (isAddress) addresses++
  }
  t.ok(addresses > 2_000, `${addresses} of them are addresses`)
  t.equal(parseIp('fe80::1%eth0'), undefined, 'a zone means something on one machine only')
})

test('messages hold addresses as unsigned numbers', async (t) => {
  t.match(ipToMessage('255.0.0.1').ip, { case: 'ipv4', value: 0xff000001 })
  t.match(ipToMessage('ff00::1').ip, { case: 'ipv6', value: { first: 0xff00_0000_0000_0000n, last: 1n } })
  t.equal(ipFromMessage(ipToMessage('0.0.0.0')), '0.0.0.0')
  t.equal(ipFromMessage(undefined), undefined)
  t.throws(() => ipToMessage('web'))
  t.same(tcpAddressFromMessage(tcpAddressToMessage({ ip: '10.0.0.1', port: 8080 })), { ip: '10.0.0.1', port: 8080 })
})

test('an IPv4 peer on a dual-stack socket is an IPv4 peer', async (t) => {
  t.equal(canonicalIp('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(canonicalIp('::1'), '::1')
  t.equal(canonicalIp('nowhere'), undefined)
})

test('socket addresses', async (t) => {
  for (const text of ['10.0.0.1:80', '[::1]:65535', '[2001:db8::1]:0']) {
    t.equal(formatSocketAddress(parseSocketAddress(text)!), text)
  }
  for (const text of ['10.0.0.1', '::1:80', '[10.0.0.1]:80', '10.0.0.1:65536', 'web:80', '10.0.0.1:', '[::1]80', '']) {
    t.equal(parseSocketAddress(text), undefined, `"${text}" is none`)
  }
})

test('loopback', async (t) => {
  for (const ip of ['127.0.0.1', '127.255.0.1', '::1']) t.ok(isLoopback(ip), ip)
  for (const ip of ['128.0.0.1', '::2', 'localhost']) t.notOk(isLoopback(ip), ip)
})

test('networks', async (t) => {
  const cases = [
    { cidr: '10.0.0.0/8', inside: ['10.0.0.0', '10.255.255.255'], outside: ['11.0.0.0', '9.255.255.255', '::a00:0'] },
    { cidr: '100.64.0.0/10', inside: ['100.64.0.1', '100.127.255.255'], outside: ['100.128.0.0', '100.63.255.255'] },
    { cidr: '0.0.0.0/0', inside: ['0.0.0.0', '255.255.255.255'], outside: ['::'] },
    { cidr: '192.168.1.7/32', inside: ['192.168.1.7'], outside: ['192.168.1.6'] },
    { cidr: 'fd00::/8', inside: ['fd00::1', 'fdff::'], outside: ['fe00::', '253.0.0.0'] },
    { cidr: '::/0', inside: ['::', 'ffff::'], outside: ['0.0.0.0'] },
  ]
  for (const { cidr, inside, outside } of cases) {
    const parsed = parseCidr(cidr)!
    for (const ip of inside) t.ok(cidrContains(parsed, ip), `${cidr} has ${ip}`)
    for (const ip of outside) t.notOk(cidrContains(parsed, ip), `${cidr} has not ${ip}`)
    t.equal(formatCidr(cidrFromMessage(cidrToMessage(parsed))!), cidr)
  }
  t.equal(formatCidr(parseCidr('10.1.2.3/8')!), '10.0.0.0/8', 'host bits are cleared')
  t.equal(formatCidr(parseCidr('10.1.2.3')!), '10.1.2.3/32', 'an address alone is a network of one')
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '/8', '10.0.0.0/-1', 'a/8', '10.0.0.0/8/8']) {
    t.equal(parseCidr(text), undefined, `"${text}" is none`)
  }
})
