// Package picture draws a timeline: one drawing for the command line, chat and mail.
//
// What is drawn is laid out once, as a scene of shapes and texts in logical pixels, and the scene is
// written as SVG or as PNG. The two cannot differ in what they show or where. The same timeline with the
// same options gives the same bytes; no clock is read, nothing is fetched, no goroutine is started.
//
// # What it says, and what it does not
//
// From top to bottom: the incidents, the events, the visibility of each address family, a lane for each
// upstream and each origin, the C&C families, what was not heard, the axis of time (UTC) and the most
// important events in words. An event stands at its onset (first_seen), not where it was confirmed. A share or visibility is drawn only where somebody was
// there to see it (Eligible above 0); elsewhere the lane is hatched. The times in which peers were not
// heard are hatched over all lanes, unless the archives have told since what was missed; those narrower than a pixel stand in the row of
// gaps alone. Nothing is drawn
// before the first point of a lane, and nothing after Options.Now. Where several values fall on one pixel, the area is solid up
// to the least of them and pale up to the largest: a short outage in ten years can be seen.
//
// Lanes beyond what fits are summed in one that says how many they are; texts that do not fit are cut with an ellipsis;
// marks that would overlap are drawn as one, with their number.
//
// # Colours and letters
//
// The colours are those of Okabe and Ito, which people with colour-blindness can tell apart, and no meaning is carried by
// colour alone. Texts have a contrast of at least 4.5:1 to what is behind them. Letters are measured, and in PNG drawn,
// with Liberation Sans (SIL Open Font License 1.1), which is as wide as Arial and Helvetica; the SVG names these families, carries no font, and gives
// each text its length, so that another font overlaps nothing. A letter that the font has not (Chinese, say) is a box in
// PNG and itself in SVG. The SVG has title and desc for screen readers; [Alt] gives the same for a PNG.
package picture
