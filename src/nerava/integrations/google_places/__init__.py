"""Google Places API (New): what it says about places that we know, shown for minutes and kept nowhere."""
