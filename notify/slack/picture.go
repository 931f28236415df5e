package slack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/plain"
)

const fileName = "timeline.png"

// picture uploads the picture where it is another than the one in the message. Where that
// fails the message goes without: people wait for the words. The next revision tries again.
func (d *delivery) picture() error {
	if d.m.Picture == nil {
		if d.file != "" {
			d.old, d.file, d.sum = d.file, "", ""
		}
		return nil
	}
	sum := sha256.Sum256(d.m.Picture.PNG)
	name := hex.EncodeToString(sum[:8])
	if name == d.sum && d.file != "" {
		return nil
	}
	if known, ok := d.memory.get("picture " + d.m.ID); ok {
		d.replace(known["file"], name)
		return nil
	}
	id, err := d.upload("", "")
	if err != nil {
		judged := d.judge("slack upload of the picture", err)
		if d.ctx.Err() != nil {
			return judged
		}
		d.deps.Log.Warn("slack: a message goes without its picture", "key", d.m.Key, "error", judged)
		d.m.Picture = nil
		return d.picture()
	}
	d.memory.put("picture "+d.m.ID, map[string]string{"file": id})
	d.replace(id, name)
	d.settle(id)
	return nil
}

// illustrate adds the picture to a message that was posted without.
func (d *delivery) illustrate() error {
	if err := d.picture(); err != nil || d.file == "" {
		return err
	}
	if err := d.write(); err != nil {
		judged := d.judge("slack chat.update", err)
		var e *notify.Error
		if errors.As(judged, &e) && e.Retry {
			return judged
		}
		d.deps.Log.Warn("slack: a message goes without its picture", "key", d.m.Key, "error", judged)
		d.file, d.sum = "", ""
	}
	return nil
}

func (d *delivery) replace(id, sum string) {
	if d.file != id {
		d.old = d.file
	}
	d.file, d.sum = id, sum
}

// upload gives the id of a new file, shared into a thread where a channel is given.
func (d *delivery) upload(channel, thread string) (string, error) {
	p := d.m.Picture
	alt := plain.Cut(p.Alt, 1000)
	to, err := d.api.GetUploadURLExternalContext(d.ctx, slack.GetUploadURLExternalParameters{FileName: fileName, FileSize: len(p.PNG), AltTxt: alt})
	if err != nil {
		return "", err
	}
	err = d.api.UploadToURL(d.ctx, slack.UploadToURLParameters{UploadURL: to.UploadURL, Reader: bytes.NewReader(p.PNG), Filename: fileName})
	if err != nil {
		return "", err
	}
	_, err = d.api.CompleteUploadExternalContext(d.ctx, slack.CompleteUploadExternalParameters{
		Files: []slack.FileSummary{{ID: to.FileID, Title: plain.Cut(d.m.Title, 200)}}, Channel: channel, ThreadTimestamp: thread,
	})
	return to.FileID, err
}

// settle waits until Slack has looked at the file: an image block that names it before is
// refused. It gives up soon; the thread takes the picture then.
func (d *delivery) settle(id string) {
	for delay := 100 * time.Millisecond; delay < 2*time.Second; delay *= 2 {
		file, _, _, err := d.api.GetFileInfoContext(d.ctx, id, 0, 0)
		if err != nil || file.Mimetype != "" {
			return
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-d.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// share puts a picture that no block may show into the thread.
func (d *delivery) share() error {
	if !d.apart || d.m.Picture == nil {
		return nil
	}
	shared := "shared " + d.m.ID
	if _, ok := d.memory.get(shared); ok {
		return nil
	}
	id, err := d.upload(d.channel, d.ts)
	if err != nil {
		d.deps.Log.Warn("slack: a message goes without its picture", "key", d.m.Key, "error", d.judge("slack upload of the picture", err))
		return nil
	}
	d.memory.put(shared, map[string]string{"file": id})
	return nil
}

// tidy deletes the file that was replaced. One that stays is seen by nobody.
func (d *delivery) tidy() {
	if d.old == "" || d.old == d.file {
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, 5*time.Second)
	defer cancel()
	if err := d.api.DeleteFileContext(ctx, d.old); err != nil && code(err) != "file_not_found" {
		d.deps.Log.Debug("slack: an old picture stays", "file", d.old, "error", d.judge("slack files.delete", err))
	}
}
