// The demo shop's page: catalogue, sign-up, basket, order. Everything that it tells the tracker goes
// through the calls that a customer's page would make.
'use strict';

const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts are always texts, never markup. */
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const art = (id) => {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const use = document.createElementNS(space, 'use');
  use.setAttribute('href', `#art-${id}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
};

let catalogue = { currency: 'EUR', articles: [] };
const basket = new Map(); // id of an article → quantity
let person = null;
let order = null;

const money = (cents) =>
  new Intl.NumberFormat('en', { style: 'currency', currency: catalogue.currency }).format(cents / 100);
const lines = () =>
  catalogue.articles
    .filter(({ id }) => basket.has(id))
    .map((article) => ({ ...article, quantity: basket.get(article.id) }));
const total = () => lines().reduce((sum, { cents, quantity }) => sum + cents * quantity, 0);

const showCatalogue = () => {
  byId('catalogue').replaceChildren(...catalogue.articles.map((article) => {
    const add = make('button', { type: 'button', textContent: 'Add' });
    add.dataset.add = article.id;
    add.setAttribute('aria-label', `Add ${article.name} to the basket`);
    add.addEventListener('click', () => {
      change(article.id, 1);
      byId('basket-status').textContent = `${article.name} is in the basket.`;
    });
    const details = make('details', {}, make('summary', { textContent: 'Details' }), make('p', { textContent: article.description }));
    details.addEventListener('toggle', () => {
      if (details.open) MisarMail.track('product_viewed', { id: article.id, name: article.name, price: article.cents / 100 });
    });
    const foot = make('div', { className: 'foot' }, make('span', { className: 'price', textContent: money(article.cents) }), add);
    const text = make('div', { className: 'text' }, make('h3', { textContent: article.name }), details, foot);
    return make('li', { className: 'card' }, art(article.id), text);
  }));
};

const change = (id, by) => {
  const quantity = Math.min(99, (basket.get(id) ?? 0) + by);
  if (quantity > 0) basket.set(id, quantity);
  else basket.delete(id);
  showBasket();
  MisarMail.track('basket_changed', { id, quantity: Math.max(0, quantity), total: total() / 100 });
};

const showBasket = () => {
  byId('lines').replaceChildren(...lines().map(({ id, name, cents, quantity }) => {
    const step = (sign, by, label) => {
      const button = make('button', { type: 'button', className: 'quiet', textContent: sign });
      button.dataset.step = `${id}${sign}`;
      button.setAttribute('aria-label', `${label} ${name}`);
      button.addEventListener('click', () => {
        change(id, by);
        // The list has been made anew: the focus goes to where it was.
        (document.querySelector(`[data-step="${id}${sign}"]`) ?? byId('basket-title')).focus();
      });
      return button;
    };
    const amount = make('span', { className: 'amount' }, step('−', -1, 'One less of'), String(quantity), step('+', 1, 'One more of'));
    return make('li', {}, make('span', { textContent: name }), amount, make('span', { textContent: money(cents * quantity) }));
  }));
  byId('basket-empty').hidden = basket.size > 0;
  byId('buy').disabled = basket.size === 0;
  byId('total').textContent = money(total());
  byId('basket-count').textContent = String([...basket.values()].reduce((sum, quantity) => sum + quantity, 0));
};

const signUp = (event) => {
  event.preventDefault();
  person = { email: byId('email').value.trim(), name: byId('name').value.trim() };
  MisarMail.identify(person.email, { name: person.name });
  byId('signed-up').textContent = `Welcome, ${person.name}.`;
  byId('basket-status').textContent = '';
};

const buy = () => {
  if (!person) {
    byId('basket-status').textContent = 'Sign up first: an order needs an e-mail address.';
    byId('email').focus();
    return;
  }
  const random = crypto.getRandomValues(new Uint32Array(2));
  order = {
    orderId: `order_${[...random].map((part) => part.toString(36)).join('')}`,
    email: person.email,
    items: lines().map(({ id, name, cents, quantity }) => ({ id, name, price: cents / 100, quantity })),
  };
  MisarMail.purchase({ ...order, revenue: total() / 100, currency: catalogue.currency });
  // Now rather than with the next batch: who pays at once should still see it arrive unverified.
  MisarMail.flush();
  byId('order-id').textContent = order.orderId;
  byId('order-total').textContent = money(total());
  byId('order').dataset.orderId = order.orderId;
  showOrder('unverified', 'Sent by the browser: unverified', 'Anybody can send what a browser sends, so this counts for nothing yet. Paying makes the shop’s server confirm the order.');
  basket.clear();
  showBasket();
  byId('basket-status').textContent = '';
  byId('order').focus();
};

const showOrder = (state, title, note) => {
  byId('order').hidden = false;
  byId('order').dataset.state = state;
  byId('order-state').textContent = title;
  byId('order-note').textContent = note;
  byId('pay').hidden = state === 'verified';
  byId('pay').disabled = false;
  byId('pay').textContent = state === 'failed' ? 'Try again' : 'Pay';
};

const pay = async () => {
  const { orderId, email, items } = order;
  byId('pay').disabled = true;
  try {
    const answer = await fetch('/pay', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ orderId, email, items: items.map(({ id, quantity }) => ({ id, quantity })) }),
    });
    const { message } = await answer.json();
    // Another order may have been made meanwhile: the answer is not about that one.
    if (order.orderId !== orderId) return;
    if (answer.ok) showOrder('verified', 'Confirmed by the shop’s server: verified', message);
    else showOrder('failed', 'Not confirmed', message);
  } catch {
    if (order.orderId === orderId) showOrder('failed', 'Not confirmed', 'The shop’s server cannot be reached: try again.');
  }
};

byId('sign-up-form').addEventListener('submit', signUp);
byId('buy').addEventListener('click', buy);
byId('pay').addEventListener('click', pay);
MisarMail.page();
fetch('/catalogue.json')
  .then((answer) => answer.json())
  .then((loaded) => {
    catalogue = loaded;
    showCatalogue();
    showBasket();
  })
  .catch(() => {
    byId('catalogue').replaceChildren(make('li', { className: 'notice', textContent: 'The articles could not be loaded: reload the page.' }));
  });
