package slack

import (
	"errors"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/plain"
)

// passing are Slack's errors after which the same request may succeed. All the others
// say that the request, the app or the channel has to change first.
var passing = []string{
	"ratelimited", "rate_limited", "message_limit_exceeded", "fatal_error", "internal_error", "service_unavailable",
	"request_timeout", "team_added_to_org", "update_failed", "delete_failed", "upload_failed", "file_upload_failed", "timeout",
}

// code is Slack's word for what went wrong, "" where it said none.
func code(err error) string {
	var e slack.SlackErrorResponse
	if errors.As(err, &e) {
		return e.Err
	}
	return ""
}

// judge makes a *notify.Error of what a call ended with.
func (r *Receiver) judge(act string, err error) error {
	var e *notify.Error
	if errors.As(err, &e) {
		return e
	}
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) {
		return notify.Temporary(limited.RetryAfter, "%s: answered: too many requests", act)
	}
	var said slack.SlackErrorResponse
	if !errors.As(err, &said) {
		// What slack-go says when the answer is not what it should be.
		return r.courier.Unsent(act, err)
	}
	text := said.Err
	for _, m := range said.ResponseMetadata.Messages {
		text += "; " + m // which block, and why
	}
	if said.Needed != "" {
		text += "; needs the scope " + said.Needed
	}
	text = plain.Cut(plain.Line(r.secrets.Hide(text)), 300)
	if slices.Contains(passing, said.Err) {
		return notify.Temporary(0, "%s: answered: %s", act, text)
	}
	return notify.Permanent("%s: answered: %s", act, text)
}

// gone are the errors of an update whose message is not there.
func gone(err error) bool { return code(err) == "message_not_found" || code(err) == "thread_not_found" }

// frozen are those of a message that is there, and that the workspace lets nobody edit any more.
func frozen(err error) bool {
	return code(err) == "edit_window_closed" || code(err) == "cant_update_message"
}

// badPicture reports whether the blocks were refused because of the file in them.
func badPicture(err error) bool {
	c := code(err)
	return strings.HasPrefix(c, "invalid_blocks") || c == "slack_file_not_found" || c == "invalid_slack_file"
}
