// What the compiler must accept and what it must not: compiled by client.test.mjs, never run.
import { Bridge, type Event, type Schemas } from '../../bridge/client/client.js'

export async function accepted(bridge: Bridge): Promise<string[]> {
  const session = await bridge.post('/v1/sessions', { body: { name: 'front desk' } })
  const status: Schemas['session']['status'] = session.status
  await bridge.post('/v1/sessions/{id}/start', { path: { id: session.id } })
  const sent = await bridge.post('/v1/sessions/{id}/messages', {
    path: { id: session.id },
    body: { to: '15550100002', type: 'text', text: { body: 'Hi' } },
    idempotencyKey: 'order-17'
  })
  const out: string[] = [status, sent.message_id]
  for await (const endpoint of bridge.each('/v1/webhooks', { query: { limit: 10 } })) out.push(endpoint.url)
  for await (const event of bridge.follow({ after: 'latest' })) {
    const seq: number = (event satisfies Event).seq
    out.push(`${event.session_id}:${seq}`)
  }
  return out
}

export async function refused(bridge: Bridge): Promise<void> {
  // @ts-expect-error no such route
  await bridge.get('/v1/nothing')
  // @ts-expect-error no such method there
  await bridge.delete('/v1/events')
  // @ts-expect-error the id is missing
  await bridge.get('/v1/sessions/{id}')
  // @ts-expect-error the body is missing
  await bridge.post('/v1/webhooks')
  // @ts-expect-error a field is misspelled
  await bridge.post('/v1/webhooks', { body: { uri: 'https://example.org' } })
  // @ts-expect-error a value of another kind
  await bridge.get('/v1/sessions', { query: { limit: 'ten' } })
  const session = await bridge.get('/v1/sessions/{id}', { path: { id: 'ses_1' } })
  // @ts-expect-error no such field in the answer
  session.token
}
