package web_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"depeer/web"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// openapi.json is what the pages are typed by: what the server says of itself.
func TestDocumentOfThePages(t *testing.T) {
	s := start(t, web.Config{}, newWorld(t).deps())
	var document map[string]any
	if err := json.Unmarshal([]byte(newCaller(t, s).get("/openapi.json").body), &document); err != nil {
		t.Fatal(err)
	}
	document["info"].(map[string]any)["version"] = "1"
	want, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(want) {
		t.Error("openapi.json is not what the server says of itself: go test ./web -run TestDocumentOfThePages -update")
	}
}
