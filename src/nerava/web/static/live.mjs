// What every page does once it is there: instants in the reader's time zone, parts that keep themselves fresh,
// countdowns, and forms that are sent once.

const SHAPES = {
  datetime: { dateStyle: "medium", timeStyle: "short" },
  date: { dateStyle: "medium" },
  time: { timeStyle: "short" },
};

function localise(root) {
  for (const one of root.querySelectorAll("time[data-local]")) {
    const shape = SHAPES[one.dataset.local] ?? SHAPES.datetime;
    one.textContent = new Intl.DateTimeFormat("en-GB", shape).format(new Date(one.dateTime));
    one.title = one.dateTime;
  }
}

// <div id="x" data-live="5"> is fetched anew every five seconds while somebody looks, and replaced if it changed.
function keepFresh(part) {
  const every = Number(part.dataset.live) * 1000;
  // What the server sent last; the page itself changes meanwhile, as where something is counted down.
  let sent = part.innerHTML;
  const refresh = async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { "nerava-by-itself": "1" } });
      // Whoever is not signed in any more is led to the sign-in, and what was on the screen goes.
      if (answer.redirected) return location.reload();
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (!fresh) return;
      localise(fresh);
      document.body.classList.remove("stale");
      if (fresh.innerHTML !== sent) {
        sent = fresh.innerHTML;
        part.innerHTML = sent;
        part.querySelectorAll("[data-until]").forEach(countDown);
      }
    } catch {
      document.body.classList.add("stale");
    }
  };
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
}

function countDown(one) {
  const until = Date.parse(one.dataset.until);
  const tick = () => {
    const left = Math.max(0, Math.round((until - Date.now()) / 1000));
    one.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left && one.isConnected) setTimeout(tick, 1000);
  };
  tick();
}

localise(document);
document.querySelectorAll("[data-live]").forEach(keepFresh);
document.querySelectorAll("[data-until]").forEach(countDown);
document.addEventListener("submit", (event) => {
  // What comes back is a file: the page stays, and may be asked for it again.
  if ("download" in event.target.dataset) return;
  const buttons = event.target.querySelectorAll("button");
  setTimeout(() => event.defaultPrevented || buttons.forEach((one) => (one.disabled = true)));
});
// A page that comes back from the browser's memory has its buttons again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form button").forEach((one) => (one.disabled = false));
});
