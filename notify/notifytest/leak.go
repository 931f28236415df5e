package notifytest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"depeer/notify"
)

// CheckError checks that err is a *notify.Error which says retry, names what was done,
// and shows no secret however it is printed.
func (s Subject) CheckError(t *testing.T, err error, retry bool) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	var e *notify.Error
	if !errors.As(err, &e) {
		t.Errorf("%T (%v) is no *notify.Error", err, err)
		return
	}
	if e.Retry != retry {
		t.Errorf("%v: try again: %t, want %t", err, e.Retry, retry)
	}
	if text := err.Error(); !strings.Contains(text, ": ") || len(text) > 1000 || strings.ContainsAny(text, "\r\n\x00") {
		t.Errorf("an error is to name the act and the answer in a line: %q", text)
	}
	NoSecrets(t, s.Secrets, err, e.Err)
}

// NoSecrets fails where one of the secrets, or a disguise of it, is in what is printed of
// the things: by fmt, by encoding/json and by log/slog.
func NoSecrets(t *testing.T, secrets []string, things ...any) {
	t.Helper()
	for _, thing := range things {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "thing", thing)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "thing", thing)
		js, _ := json.Marshal(thing)
		texts := []string{
			fmt.Sprint(thing), fmt.Sprintf("%+v", thing), fmt.Sprintf("%#v", thing), fmt.Sprintf("%q", thing),
			fmt.Sprintf("%s", thing), string(js), log.String(),
		}
		if err, ok := thing.(error); ok {
			for ; err != nil; err = errors.Unwrap(err) {
				texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
			}
		}
		for _, text := range texts {
			for _, secret := range secrets {
				for _, form := range disguises(secret) {
					if strings.Contains(text, form) {
						t.Errorf("the secret %q is in %T: %.500q", secret, thing, text)
					}
				}
			}
		}
	}
}

func disguises(secret string) []string {
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))}
}
