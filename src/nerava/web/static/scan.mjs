// Reads the code off a driver's screen with the camera or from a photo, where the browser itself can read codes.
// Without that the field for typing is all there is, and all that is needed.

const EVERY_MS = 150;

async function reader() {
  if (!("BarcodeDetector" in window)) return null;
  try {
    const formats = await BarcodeDetector.getSupportedFormats();
    return formats.includes("qr_code") ? new BarcodeDetector({ formats: ["qr_code"] }) : null;
  } catch {
    return null;
  }
}

function equip(form, detector) {
  const scanner = form.querySelector("[data-scanner]");
  const [video, says] = [scanner.querySelector("video"), scanner.querySelector("[data-says]")];
  const [start, photo] = [scanner.querySelector("[data-camera]"), scanner.querySelector("[data-photo] input")];
  const word = start.lastChild;
  let stream = null;

  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
    video.hidden = true;
    word.textContent = "Use the camera";
  };
  const read = async (image) => {
    const [found] = await detector.detect(image);
    if (!found) return false;
    form.elements.code.value = found.rawValue.split("#").pop().trim().slice(0, 40);
    navigator.vibrate?.(80);
    says.textContent = "The code is read. Press Redeem.";
    form.querySelector("button:not([type])").focus();
    return true;
  };
  const look = async () => {
    if (!stream) return;
    try {
      if (video.readyState >= 2 && (await read(video))) return stop();
    } catch {
      // A frame that cannot be read is followed by the next one.
    }
    setTimeout(look, EVERY_MS);
  };
  start.addEventListener("click", async () => {
    if (stream) return stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 640 } });
    } catch {
      says.textContent = "The camera is not available. Type the code.";
      return;
    }
    video.srcObject = stream;
    video.hidden = false;
    word.textContent = "Stop the camera";
    says.textContent = "Hold the code before the camera.";
    await video.play();
    look();
  });
  photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    try {
      const seen = await read(await createImageBitmap(file));
      if (!seen) says.textContent = "There is no code in the photo. Try again, or type it.";
    } catch {
      says.textContent = "The photo could not be read. Type the code.";
    }
    photo.value = "";
  });
  document.addEventListener("visibilitychange", () => document.hidden && stop());
  start.hidden = !navigator.mediaDevices?.getUserMedia;
  scanner.hidden = false;
}

const detector = await reader();
if (detector) document.querySelectorAll("form[data-scan]").forEach((form) => equip(form, detector));
