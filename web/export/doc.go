// Package export writes what depeer found in the formats that other people's tools read.
//
//	csv      RFC 4180, a header line first; lists within a cell are separated by spaces
//	json     one array of the objects that the API gives
//	ndjson   the same, one object a line
//	stix     a STIX 2.1 bundle (OASIS): indicators, malware, sightings, observed data, incidents, reports
//	misp     a list of MISP events in MISP's core format (draft-dulaunoy-misp-core-format)
//
// A [Writer] takes events, incidents, migrations and sightings, of one kind or several
// (CSV: of one), in the order in which they are to stand, and keeps none of them: a million take no more
// memory than one. What has been written is whole only after Close. Ids of STIX and MISP
// objects are made from depeer's own: the same thing exported twice is the same object.
//
// A cell of CSV that a spreadsheet would take for a formula begins with an apostrophe.
package export
