// Signs in with a passkey, or shows one again: the browser's answer goes into the form, and the form is sent as any other.

const form = document.querySelector("form[data-passkey]");
const button = form.querySelector("button");
const said = form.querySelector("[data-passkey-said]");

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function show() {
  const headers = { "x-csrf-token": form.elements.csrf_token.value };
  const answer = await fetch(form.dataset.passkey, { method: "POST", headers });
  if (!answer.headers.get("content-type")?.includes("json")) throw new Error("You were signed out. Sign in again.");
  const begun = await answer.json();
  if (!answer.ok) throw new Error(begun.detail || begun.title);
  const options = begun.public_key;
  options.challenge = bytes(options.challenge);
  for (const one of options.allowCredentials ?? []) one.id = bytes(one.id);
  const found = await navigator.credentials.get({ publicKey: options });
  const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
  const response = {
    clientDataJSON: text(clientDataJSON),
    authenticatorData: text(authenticatorData),
    signature: text(signature),
  };
  if (userHandle) response.userHandle = text(userHandle);
  const credential = { id: found.id, rawId: text(found.rawId), type: found.type, response };
  form.elements.shown.value = JSON.stringify({ ceremony_id: begun.ceremony_id, credential });
  form.submit();
}

if (window.PublicKeyCredential) {
  button.disabled = false;
} else {
  said.textContent = "This browser knows no passkeys.";
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  said.textContent = "";
  show().catch((error) => {
    said.textContent = error.name === "NotAllowedError" ? "No passkey was shown. Try again." : error.message;
  });
});
