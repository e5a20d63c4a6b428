// Keeps the screen on while a code is shown.

async function stayAwake() {
  if (document.hidden || !document.querySelector(".qr")) return;
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // The battery is low or the browser does not let us; the code works all the same.
  }
}

stayAwake();
document.addEventListener("visibilitychange", stayAwake);
