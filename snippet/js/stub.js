// The queue stub of the embed: holds calls, with their time, until track.js takes them over.
// `window.MisarMail` is the page's own object with its settings.
(m => {
  m.q = [];
  'track identify page purchase flush reset ready'.split(' ').map(name => {
    m[name] = (...given) => { m.q.push([name, given, Date.now()]); };
  });
})(window.MisarMail);
