// Shows each session as it comes in, asks for the next ones every two seconds, and keeps the books in view.

import { pulse, StreetMap } from "/static/street_map.js";

const EVERY_MS = 2000;
const SHOWN_MAX = 60;
const EVIDENCE = ["the phone", "the network", "the car", "the charger", "the charge record", "a signed record"];
const STATES = { verified: "Verified", review: "In review", rejected: "Not verified", closed: "Checking" };

const find = (selector) => document.querySelector(selector);
const list = find(".sessions ol");
const pins = new Map();
let known = 0;

function made(name, className, text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

const number = (value) => value.toLocaleString("en");
const money = (minor, currency) => (minor / 100).toLocaleString("en", { style: "currency", currency });
const nova = (points) => `${points > 0 ? "+" : ""}${number(points)} ★`;

async function asked(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function lasted(session) {
  const minutes = Math.round((new Date(session.ended_at) - new Date(session.started_at)) / 60000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function began(session) {
  const when = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return new Date(session.started_at).toLocaleString("en-GB", { ...when, timeZone: session.timezone });
}

// In one line, the reason that decided; whoever opens the session reads all of them.
function verdictOf({ session, decision }) {
  const finding = decision.findings.find((one) => one.severity !== "note");
  if (session.state !== "verified" && finding) return finding.text;
  const campaign = decision.campaigns.find((one) => one.points > 0) ?? decision.campaigns[0];
  if (!campaign) return "No campaign was running here.";
  const answer = campaign.points > 0 ? "earned" : "refused";
  return campaign.rules.find((rule) => rule.answer === answer)?.text ?? campaign.text;
}

function campaignOf(campaign) {
  const item = made("li");
  const head = made("p", "campaign");
  head.append(made("strong", "", campaign.name), made("span", "points", nova(campaign.points)));
  const rules = made("ul", "rules");
  for (const rule of campaign.rules) {
    const line = made("li", rule.answer, rule.text);
    if (rule.points) line.append(made("span", "points", nova(rule.points)));
    rules.append(line);
  }
  item.append(head, made("p", "outcome", campaign.text), rules);
  return item;
}

function itemOf(one) {
  const { session, decision } = one;
  const item = made("li", decision.points > 0 ? "earned" : "nothing");
  const details = made("details");
  const summary = made("summary");
  const words = made("span", "words");
  words.append(
    made("span", "place", session.location_name),
    made("span", "facts", `${(session.energy_wh / 1000).toFixed(1)} kWh · ${lasted(session)} · ${began(session)}`),
    made("span", "why", verdictOf(one)),
  );
  const held = decision.campaigns.some((campaign) => campaign.grant_state === "provisional");
  const earned = made("span", "points", decision.points > 0 ? nova(decision.points) : "0");
  if (held) earned.append(made("small", "", "pending"));
  summary.append(words, earned);
  const told = made("div", "story");
  const proof = `${STATES[session.state] ?? session.state}, proved by ${EVIDENCE[decision.evidence_level]}`;
  told.append(made("p", "proof", `${proof}; trust ${decision.score} of 100.`));
  const findings = made("ul", "rules");
  for (const finding of decision.findings) findings.append(made("li", "refused", finding.text));
  if (decision.findings.length) told.append(findings);
  const campaigns = made("ul", "campaigns");
  campaigns.append(...decision.campaigns.map(campaignOf));
  told.append(campaigns, made("p", "id", `Session ${session.id}`));
  details.append(summary, told);
  item.append(details);
  return item;
}

function showBooks(books) {
  find("[data-reserve]").textContent = money(books.reserve_minor, books.currency);
  find("[data-circulation]").textContent = `${number(books.circulation)} ★`;
  find("[data-issued]").textContent = `${number(books.issued)} ★`;
  find("[data-burnt]").textContent = `${number(books.burnt)} ★`;
  find("[data-count]").textContent = number(books.sessions);
  const holds = books.reserve_minor === books.circulation && books.alarms === 0;
  const verdict = find("[data-verdict]");
  verdict.classList.toggle("trouble", !holds);
  const words = holds
    ? "One Nova is one cent: the reserve holds exactly what drivers hold."
    : `The reserve and the points differ, or ${books.alarms} alarms ring. Run nerava ledger audit.`;
  if (verdict.textContent !== words) verdict.textContent = words;
}

function showLeft(left) {
  find("[data-left]").textContent =
    left > 0
      ? "Open one to read why it earned what it earned, rule by rule."
      : "Every session of this demo has come in. Open one to read why it earned what it earned.";
}

function show(feed) {
  const isFirst = known === 0;
  for (const one of feed.arrived) {
    const item = itemOf(one);
    if (!isFirst) item.classList.add("new");
    list.prepend(item);
    const pin = pins.get(one.session.location_id);
    if (pin && !isFirst) pulse(pin, one.decision.points > 0 ? "earned" : "nothing");
  }
  while (list.children.length > SHOWN_MAX && !list.lastChild.querySelector("details[open]")) list.lastChild.remove();
  known = feed.number;
  showBooks(feed.books);
  showLeft(feed.left);
}

async function goOn() {
  try {
    if (!document.hidden) show(await asked(`/demo/feed?after=${known}`));
    document.body.dataset.ready = "";
  } catch {
    const verdict = find("[data-verdict]");
    verdict.classList.add("trouble");
    verdict.textContent = "The demo does not answer. Is it still running?";
  }
  setTimeout(goOn, EVERY_MS);
}

async function begin() {
  const scene = await asked("/demo/scene").catch(() => ({ chargers: [], offers: [] }));
  if ("is_recorded" in scene) find(scene.is_recorded ? "[data-recorded]" : "[data-invented]").hidden = false;
  if (scene.chargers.length) {
    find("[data-city]").hidden = false;
    find(".map").hidden = false;
    const map = new StreetMap(find(".map svg"));
    map.frame([...scene.chargers, ...scene.offers]);
    for (const one of scene.chargers) pins.set(one.id, map.pin(one, "charger", one.name));
    for (const one of scene.offers) map.pin(one, "offer", `${one.name}: ${one.title} for ${number(one.points)} Nova`);
    const link = new DOMParser().parseFromString(await map.draw(), "text/html").querySelector("a");
    if (link) find(".attribution").append(link);
    find(".map").dataset.ready = "";
  }
  await goOn();
}

begin();
