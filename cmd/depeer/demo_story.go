package main

import (
	"time"

	"depeer/web"
)

// What the pages say of the story by themselves. It is what was published (the comment of the
// scenario says how precisely it is known): what depeer finds is nowhere written down, it says it.
const (
	demoTitle = "McColo, November 2008"
	demoAbout = "McColo Corp. was a hosting company in San José. The servers that commanded some of the largest spam botnets stood there, and for months people had said so in public. On 11 November 2008 the two networks that carried it to the rest of the Internet dropped it, and worldwide spam fell by more than half."
	demoNote  = "A reconstruction from published facts: nothing of it was recorded at the time. Invented are the 40 observers, the exact times, the shares, and most of the addresses and AS numbers to which the botnets moved."
)

// demoChapters begin when the scenario lets happen what they tell.
var demoChapters = []web.Chapter{
	{At: demoTime("11T18:00"), Title: "Before",
		Text:   "Two networks carry McColo: Hurricane Electric (AS6939) and Global Crossing (AS3549). Botnets take orders from servers there.",
		Source: "published; the shares are assumed",
		Look:   "McColo's row: who carries it, since when it is known for what it is, which botnets it houses."},
	{At: demoTime("11T20:00"), Title: "Side road",
		Text:   "One observer sees a path to McColo through Los Nettos (AS226).",
		Source: "published; the hour is assumed",
		Look:   "A third network appears among those that carry McColo."},
	{At: demoTime("11T21:00"), Title: "First cut",
		Text:   "Hurricane Electric (AS6939) stops carrying McColo.",
		Source: "the day is published; the hour, and which of the two was first, are assumed",
		Look:   "AS6939's share falls to nothing. An incident is open."},
	{At: demoTime("11T21:30"), Title: "2nd cut",
		Text:   "Global Crossing (AS3549) stops, too. The botnets lose their orders; spam falls worldwide.",
		Source: "the day is published; the hour is assumed",
		Look:   "McColo's state. In the incident every sentence leads to the messages that prove it."},
	{At: demoTime("13T18:00"), Title: "Shut",
		Text:   "The path through Los Nettos (AS226) is gone.",
		Source: "assumed: the path was seen on or before the 13th",
		Look:   "Nobody is left who carries McColo."},
	{At: demoTime("15T12:00"), Title: "Back",
		Text:   "On a Saturday McColo returns through a reseller of TeliaSonera (AS1299). Rustock's bots are sent to a server in Russia.",
		Source: "published; the hour is assumed. AS64501 stands for the network in Russia",
		Look:   "A carrier that was never seen before. What do the botnets do meanwhile?"},
	{At: demoTime("16T00:00"), Title: "Gone",
		Text:   "After about twelve hours TeliaSonera (AS1299) shuts that way.",
		Source: "published; the hour is assumed",
		Look:   "McColo is dark again. The page C&C says which botnets got away."},
	{At: demoTime("24T00:00"), Title: "Moved",
		Text:   "Rustock sends spam again, Asprox two days later.",
		Source: "published; where their servers stood was not: AS64502 and AS64503 stand for it",
		Look:   "The page C&C: which botnet went where, how long after, and how sure that is."},
	{At: demoTime("25T23:00"), Title: "Estonia",
		Text:   "For 13 hours Srizbi's bots find their owners again, in Estonia, under names that the bots compute themselves.",
		Source: "published",
		Look:   "Srizbi appears in AS39823, and is soon gone from there."},
	{At: demoTime("33T00:00"), Title: "Mega-D",
		Text:   "Mega-D, too, sends spam again.",
		Source: "published; where its server stood was not: AS64504 stands for it",
		Look:   "The flow on the page C&C: McColo is gone, most of what it housed is not."},
}

// demoTime is a day of November 2008, counted on into December, and a time of it.
func demoTime(s string) time.Time {
	day, clock := int(s[0]-'0')*10+int(s[1]-'0'), s[3:]
	at, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err) // they stand above
	}
	return time.Date(2008, time.November, day, at.Hour(), at.Minute(), 0, 0, time.UTC)
}
