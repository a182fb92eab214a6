import { create } from '@bufbuild/protobuf'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { test } from 'tap'
import { InboundServerPolicies, ServerSchema } from './gen/inbound_pb.js'
import { addService, createClient, serviceDefinition } from './grpc.ts'

test('a generated service runs on grpc-js', async (t) => {
  t.same(
    Object.values(serviceDefinition(InboundServerPolicies)).map(({ path, responseStream }) => ({
      path,
      responseStream,
    })),
    [
      { path: '/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort', responseStream: false },
      { path: '/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort', responseStream: true },
    ],
  )
  const server = new Server()
  addService(server, InboundServerPolicies, {
    getPort: ({ request }, callback) =>
      request.port === 0
        ? callback({ code: status.INVALID_ARGUMENT, details: 'port 0' })
        : callback(null, create(ServerSchema, { labels: { name: `${request.workload}:${request.port}` } })),
    watchPort: (call) => {
      for (const name of ['a', 'b']) call.write(create(ServerSchema, { labels: { name } }))
      call.end()
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const client = createClient(InboundServerPolicies, `127.0.0.1:${port}`)
  t.teardown(() => {
    client.close()
    server.forceShutdown()
  })

  t.equal((await client.getPort({ workload: 'ns:pod', port: 80 })).labels.name, 'ns:pod:80')
  await t.rejects(client.getPort({}), { code: status.INVALID_ARGUMENT, details: 'port 0' })
  const names: (string | undefined)[] = []
  for await (const { labels } of client.watchPort({ port: 1 })) names.push(labels.name)
  t.same(names, ['a', 'b'])
})
