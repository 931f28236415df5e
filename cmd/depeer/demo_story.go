package main

import (
	"time"

	"depeer/web"
)

const (
	demoTitle = "McColo, November 2008"
	demoAbout = "McColo Corp. was a hosting company in San José. The servers that commanded several of the largest spam botnets of the time stood there. On 11 November 2008 the two networks that carried it to the rest of the Internet dropped it, and worldwide spam fell by more than half within hours."
	demoNote  = "A reconstruction from published facts: nothing of it was recorded at the time. Invented are the observers, the exact seconds, the shares, and some of the addresses and AS numbers that the botnets moved to."
)

func demoChapters() []web.Chapter {
	at := func(s string) time.Time {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err) // they stand below
		}
		return t
	}
	return []web.Chapter{
		{At: at("2008-11-11T18:00:00Z"), Title: "Before", Text: "McColo is carried by Hurricane Electric and Global Crossing.", Source: "published"},
	}
}
