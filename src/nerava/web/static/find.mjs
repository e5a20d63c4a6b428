// Draws what a list of places says onto the map beside it, and finds out where somebody is if they want that.

import { StreetMap } from "/static/street_map.js";

async function drawMap(part) {
  const rows = [...document.querySelectorAll("[data-lat]")];
  if (!rows.length) return;
  part.hidden = false;
  const svg = part.querySelector("svg");
  const map = new StreetMap(svg);
  const places = rows.map((row) => ({ latitude: Number(row.dataset.lat), longitude: Number(row.dataset.lng), row }));
  map.frame(places);
  for (const { row, ...place } of places) {
    const pin = map.pin(place, row.dataset.kind, row.dataset.words);
    if (row.href) map.link(pin, row.href);
  }
  for (const button of part.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => map.zoom(Number(button.dataset.zoom)));
  }
  map.letDrag();
  const link = new DOMParser().parseFromString(await map.draw(), "text/html").querySelector("a");
  if (link) part.querySelector(".attribution").append(link);
}

function offerPlace(button) {
  const said = document.querySelector("[data-place-said]");
  button.hidden = false;
  button.addEventListener("click", () => {
    said.textContent = "Asking your browser where you are.";
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const address = new URL(location.href);
        address.searchParams.set("lat", coords.latitude.toFixed(4));
        address.searchParams.set("lng", coords.longitude.toFixed(4));
        location.assign(address);
      },
      () => {
        said.textContent = "Your browser does not say where you are. The list stays as it is.";
      },
      { timeout: 10000, maximumAge: 60000 },
    );
  });
}

const street = document.querySelector(".street");
if (street) drawMap(street).catch(() => (street.hidden = true));
const place = document.querySelector("[data-place]");
if (place && navigator.geolocation) offerPlace(place);
