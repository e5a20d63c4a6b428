// Makes a passkey with the token behind the # of the link, which goes to our own API and nowhere else.

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const form = document.querySelector("form");
const told = document.querySelector("#told");

function tell(words, isTrouble = false) {
  told.textContent = words;
  told.classList.toggle("trouble", isTrouble);
}

async function send(step, body) {
  const answer = await fetch(`/v1/auth/ops-invites/${step}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, ...body }),
    credentials: "omit",
  }).catch(() => {
    throw new Error("The server cannot be reached. Try again in a minute.");
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(said.title ?? "The server cannot answer now. Try again in a minute.");
  }
  return said;
}

async function addPasskey(label) {
  const begun = await send("options", { label });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.public_key);
  const made = await navigator.credentials.create({ publicKey });
  await send("accept", { label, ceremony_id: begun.ceremony_id, credential: made.toJSON() });
}

function inWords(error) {
  if (error.name === "NotAllowedError") {
    return "No passkey was made: it was cancelled, or took too long. Try again.";
  }
  if (error.name === "InvalidStateError") {
    return "This device holds a passkey of yours already.";
  }
  return error.message;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  tell("Follow what your browser asks …");
  try {
    await addPasskey(form.label.value.trim());
    form.remove();
    tell("Done. Your passkey is kept, and the link is used up. Sign in with it from now on.");
  } catch (error) {
    button.disabled = false;
    button.focus();
    tell(inWords(error), true);
  }
});

if (!token) {
  form.remove();
  tell("This link is incomplete. Ask for a new one; the command nerava ops invite prints it.", true);
} else if (!globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  form.remove();
  tell("This browser cannot make passkeys here. Use a current one, over HTTPS.", true);
}
