// The queue stub of the embed: holds calls, with their time, until track.js takes them over.
// `window.MisarMail` is the page's own object with its settings; the queue outlives it, should the
// embed stand in the page twice.
(m => {
  m.q = window.MisarMailQueue = window.MisarMailQueue || [];
  'track identify page purchase flush reset ready'.split(' ').map(name => {
    m[name] = (...given) => { m.q.push([name, given, +new Date, m]); };
  });
})(window.MisarMail);
