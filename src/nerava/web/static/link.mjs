// Takes the token from behind the # of the address, where no server and no log sees it, into the form.

const form = document.querySelector("form[data-link]");
const said = document.querySelector("[data-link-said]");
const token = location.hash.slice(1) || sessionStorage.getItem("link") || "";

if (/^[A-Za-z0-9_-]{20,100}$/.test(token)) {
  form.elements.token.value = token;
  sessionStorage.setItem("link", token);
  history.replaceState(null, "", location.pathname);
} else {
  form.hidden = true;
  said.textContent = "This address carries no link. Open the one in the e-mail again, or ask for a new one.";
}
