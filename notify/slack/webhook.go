package slack

import (
	"context"
	"encoding/json"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/post"
)

// sendWebhook posts where there is something that people must see: an incoming webhook
// can edit nothing, so a quiet change is left out.
func (r *Receiver) sendWebhook(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	if m.Reason == notify.Changed && !m.Loud || m.Reason == notify.Acked {
		return m.Before, nil
	}
	if m.Before["id"] == m.ID {
		return m.Before, nil
	}
	whom := r.config.whom(m)
	set := slack.Blocks{BlockSet: blocks(m, layout{whom: whom})}
	if news := news(m); news != "" && len(m.Before) > 0 {
		set.BlockSet = append(set.BlockSet, slack.NewSectionBlock(plainText(news, maxSection), nil, nil))
	}
	no := false
	body, err := json.Marshal(slack.WebhookMessage{Text: summary(m, whom), Blocks: &set, UnfurlLinks: &no, UnfurlMedia: &no})
	if err != nil {
		return nil, notify.Permanent("slack webhook: write the message: %v", err)
	}
	if err := r.pace.wait(ctx, "", r.deps.Now); err != nil {
		return nil, err
	}
	err = r.courier.Do(ctx, post.Call{Act: "slack webhook", URL: string(r.config.Webhook), Type: "application/json", Body: body})
	if err != nil {
		return nil, err
	}
	return notify.Receipt{"id": m.ID}, nil
}
