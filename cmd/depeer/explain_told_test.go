package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"depeer/notify"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
)

// "Was I told, when, and why not": explain says it of the hoster, around the moment.
func TestExplainSaysWhoWasTold(t *testing.T) {
	at := time.Date(2008, 11, 11, 21, 32, 0, 0, time.UTC)
	store := &timelinetest.Memory{}
	var records []timeline.Record
	for i, d := range []notify.Delivery{
		{At: at, Receiver: "noc", Outcome: notify.Sent, Reason: notify.Opened, Title: "McColo Corp. is dark"},
		{At: at.Add(time.Minute), Receiver: "pager", Outcome: notify.Failed, Attempt: 2, Why: "answered 503"},
		{At: at.AddDate(0, 0, -9), Receiver: "noc", Outcome: notify.Sent, Reason: notify.Opened, Title: "long ago"},
	} {
		body, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, timeline.Record{Kind: timeline.Delivery, ID: string(rune('a' + i)), At: d.At, Hoster: "mccolo", Word: d.Receiver, Body: body})
	}
	if err := store.Write(t.Context(), &timeline.Batch{Recorded: at, Records: records}); err != nil {
		t.Fatal(err)
	}
	list, err := toldOf(t.Context(), store, []watch.Explanation{{Hoster: "mccolo"}, {Hoster: "mccolo"}}, at)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	writeTold(&b, list)
	want := `
Who was told
  2008-11-11 21:32:00  noc was told: McColo Corp. is dark (opened)
  2008-11-11 21:33:00  pager could not be told (attempt 2, tried again): answered 503
`
	if b.String() != want {
		t.Errorf("it says\n%swant\n%s", b.String(), want)
	}
}
