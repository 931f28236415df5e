package picture

import (
	"fmt"
	"image/color"
)

// Theme is a set of colours.
type Theme string

// The themes. An SVG of Auto is light, dark where the reader prefers that, and print on paper; a PNG of Auto is light.
const (
	Auto  Theme = "auto"
	Light Theme = "light"
	Dark  Theme = "dark"
	Print Theme = "print"
)

// role is what a colour is for.
type role uint8

const (
	paper    role = iota
	ink           // letters
	muted         // letters that matter less
	alarm         // letters that stand out
	grid          // thin lines behind
	stripe        // every lane's ground
	guide         // from an event down through the lanes
	seen          // visibility: the area
	seenPale      // where it was so only for a part of the pixel
	seenEdge      // its outline
	up            // share of an upstream
	upPale
	upEdge
	own // origins: the hoster's own
	ownPale
	ownEdge
	ally // allowed
	allyPale
	allyEdge
	other // somebody else
	otherPale
	otherEdge
	loss     // marks
	gain     //
	strange  // another's announcement
	plain    // all else
	story    // an incident's band
	storyEnd // its edge
	cnc      // C&C
	hatching // peers that were not heard
	blind    // nobody was there to see
	shade    // behind what is blind
	mark     // the moment that was asked for
	roles
)

type palette [roles]uint32

// Hues are those of Okabe and Ito (2008), made paler for areas and darker or lighter for letters.
var palettes = map[Theme]*palette{
	Light: {
		paper: 0xFFFFFF, ink: 0x1B1F24, muted: 0x57606A, alarm: 0xA33F00, grid: 0xDDE1E6, stripe: 0xF5F6F8, guide: 0x8C959F,
		seen: 0x9CC7E6, seenPale: 0xD3E6F4, seenEdge: 0x0072B2,
		up: 0x8ECBF0, upPale: 0xD2EBFA, upEdge: 0x2B87BD,
		own: 0x7FCDB5, ownPale: 0xCBEBE1, ownEdge: 0x00805E,
		ally: 0xF3E38A, allyPale: 0xFAF4CC, allyEdge: 0x8F7A00,
		other: 0xF0A878, otherPale: 0xF9DCC8, otherEdge: 0xB04A00,
		loss: 0xD55E00, gain: 0x008A64, strange: 0xB0447F, plain: 0x6E7781,
		story: 0xFBE3B5, storyEnd: 0xC27D00, cnc: 0xB0447F, hatching: 0x7B858F, blind: 0x57606A, shade: 0xE6E9ED, mark: 0x1B1F24,
	},
	Dark: {
		paper: 0x12161C, ink: 0xE8EAED, muted: 0xA3ACB8, alarm: 0xFF9C57, grid: 0x2B323C, stripe: 0x191E26, guide: 0x7D8794,
		seen: 0x1F5F8C, seenPale: 0x1B3A52, seenEdge: 0x6CC0F0,
		up: 0x2A6E99, upPale: 0x1E4059, upEdge: 0x56B4E9,
		own: 0x14694F, ownPale: 0x123F34, ownEdge: 0x2CC79A,
		ally: 0x75681A, allyPale: 0x413C18, allyEdge: 0xF0E442,
		other: 0x9A4A12, otherPale: 0x522E17, otherEdge: 0xFF8F3F,
		loss: 0xFF7F2A, gain: 0x2CC79A, strange: 0xE59AC3, plain: 0x98A2AE,
		story: 0x54400F, storyEnd: 0xE69F00, cnc: 0xE08DBA, hatching: 0x78828E, blind: 0xA3ACB8, shade: 0x262C36, mark: 0xE8EAED,
	},
	Print: {
		paper: 0xFFFFFF, ink: 0x000000, muted: 0x3D444C, alarm: 0x8A3500, grid: 0xC9CED4, stripe: 0xF3F4F6, guide: 0x6E7781,
		seen: 0xA9CDE8, seenPale: 0xDCEAF5, seenEdge: 0x00476F,
		up: 0xA3D4F2, upPale: 0xDCEFFA, upEdge: 0x1A5D85,
		own: 0x9AD8C5, ownPale: 0xD8F0E9, ownEdge: 0x005C43,
		ally: 0xF6EAA5, allyPale: 0xFBF7DB, allyEdge: 0x6B5B00,
		other: 0xF2B48B, otherPale: 0xFAE3D3, otherEdge: 0x8A3500,
		loss: 0xB84F00, gain: 0x006B4D, strange: 0x8F2F64, plain: 0x4C545D,
		story: 0xFCE9C4, storyEnd: 0x8F5C00, cnc: 0x8F2F64, hatching: 0x545C65, blind: 0x2F353B, shade: 0xE6E9ED, mark: 0x000000,
	},
}

func (p *palette) hex(r role) string { return fmt.Sprintf("#%06X", p[r]) }

func (p *palette) rgb(r role) color.RGBA {
	v := p[r]
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}
