// What a TypeScript program does with the client that openapi-typescript makes of /openapi.json. Its types are half
// of the test: that it compiles says that they are what the server answers.
import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

const run = process.env.MISAR_RUN ?? 'typescript';
const api = createClient<paths>({
  baseUrl: process.env.MISAR_URL ?? '',
  headers: { Authorization: `Bearer ${process.env.MISAR_KEY}` },
});
type Refusal = { error?: components['schemas']['ErrorBody'] };

function good<T>(answer: { data?: T } & Refusal): T {
  if (answer.error) throw new Error(`${answer.error.error.code}: ${answer.error.error.message}`);
  assert(answer.data !== undefined);
  return answer.data;
}

const email = 'ada@example.com';
const orderId = `${run}-1`;
const messageId = `${run}-mail`;

const message = good(await api.POST('/v1/messages', {
  body: { email, messageId, campaignId: run, type: 'campaign', html: '<p><a href="https://shop.example/">Shop</a></p>' },
}));
assert.equal(message.success satisfies true, true);
assert.match(message.headers['List-Unsubscribe'], /^</);

const event = good(await api.POST('/v1/track/event', {
  body: { email, event: 'trial_started', properties: { plan: 'pro', seats: 5, tags: ['a'] }, timestamp: new Date().toISOString() },
}));
assert.equal(event.tracked, true);

const purchase = good(await api.POST('/v1/track/purchase', {
  body: { email, orderId, revenue: 49.98, currency: 'USD', messageId, items: [{ id: 'sku-1', name: 'Mug', price: 24.99, quantity: 2 }] },
}));
assert.equal(purchase.tracked, true);

const again = good(await api.POST('/v1/track/purchase', {
  body: { email, orderId, revenue: 49.98, currency: 'USD', messageId, items: [{ id: 'sku-1', name: 'Mug', price: 24.99, quantity: 2 }] },
}));
assert.equal(again.reason satisfies 'duplicate' | undefined, 'duplicate');

const refund = good(await api.POST('/v1/track/refund', { body: { orderId, refundId: `${run}-r`, amount: 9.99 } }));
assert(refund.seq);

const batch = good(await api.POST('/v1/track/batch', {
  body: { events: [
    { type: 'track', email, event: 'page_viewed', properties: { url: 'https://shop.example/' } },
    { type: 'identify', email, traits: { plan: 'pro' } },
    { type: 'track', event: 'of_nobody' },
  ] },
}));
assert.deepEqual(batch.results.map((result) => result.status), ['tracked', 'tracked', 'rejected']);
assert.equal(batch.results[2]?.code, 'missing_field');

const receipt = good(await api.GET('/v1/receipts/{id}', { params: { path: { id: event.id } } }));
assert.equal(receipt.status satisfies 'tracked' | 'rejected' | 'erased', 'tracked');
assert(!Number.isNaN(Date.parse(receipt.receivedAt)));

const report = good(await api.GET('/v1/reports/messages/{id}', {
  params: { path: { id: messageId }, query: { minSeq: refund.seq, model: 'explicit' } },
}));
assert.deepEqual(report.revenue.map((money) => [money.currency, money.net]), [['USD', 39.99]]);

const events = good(await api.GET('/v1/events', { params: { query: { email, limit: 10, minSeq: refund.seq } } }));
assert(events.events.some((listed) => listed.id === event.id && listed.properties.plan === 'pro'));

const refused = await api.POST('/v1/track/event', { body: { email: 'nobody', event: 'x' } });
assert.equal(refused.error?.error.code, 'invalid_email');
assert.equal(refused.error?.success satisfies false | undefined, false);

const messages = good(await api.POST('/v1/messages/batch', { body: { messages: [{ email: 'nobody' }] } }));
for (const result of messages.results) {
  // The discriminator narrows.
  if (result.status === 'rejected') assert.equal(result.code, 'invalid_email');
  else assert.fail(result.messageId);
}
console.log('openapi-typescript: an event, a purchase, a refund, a batch, a message, a receipt, a report');
