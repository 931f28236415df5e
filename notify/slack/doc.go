// Package slack tells people in Slack: one message per incident, edited in place as the
// story moves, what is new as replies in its thread, the picture of the timeline in it,
// and buttons and a command with which people answer.
//
// # What is where
//
// An incident is one message in the channel of its severity. A revision edits it
// (chat.update, which wakes nobody) and, where there is something new, adds one reply to
// its thread; a loud revision's reply mentions people and, with Config.Broadcast, is shown
// in the channel too. A message that somebody deleted is posted anew; one that the workspace
// lets nobody edit any more stays as it is, and its thread goes on. An incident that
// rises to a severity with another channel gets a message there; the old one says where
// the story goes on.
//
// The picture is an image block of the message that points to a file of the app
// (files.getUploadURLExternal, completeUploadExternal): an edit replaces it where it
// stands, wakes nobody and leaves nothing in the thread, and the file it replaces is
// deleted. It is uploaded only where its bytes have changed. Where Slack refuses the block
// (its own processing of the file may be late) the file is shared into the thread. A
// picture never holds up the message: the first one is added when the words are out, and
// one that cannot be uploaded is left out.
//
// # Once
//
// Slack has no idempotency key. The message carries a block_id derived from Message.Key,
// each reply one from Message.ID. Where Message.Unsure says that an earlier try may have
// arrived, or a try of this process failed, Send looks for them first: in the last 200
// messages of the channel, and in the thread. That needs
// channels:history (groups:history in private channels); without it, a process that is
// killed between sending and recording may post a second message, and the log says so once.
//
// Scopes: chat:write, commands, files:write, files:read, channels:history or
// groups:history; connections:write for the app token. The app must be in its channels.
//
// # Limits
//
// A channel gets at most one message per Config.Pace (Slack: 1 a second); edits do not
// count. Answers of 429 come back as errors with their Retry-After. Texts are cut to the
// limits of their blocks. What came from outside is in plain_text objects, or escaped and
// verbatim: it mentions nobody and links nothing.
//
// # People's answers
//
// [Receiver.Run] holds the Socket Mode connections, and [Receiver.ServeHTTP] takes signed
// requests; either acknowledges at once, and up to 4 workers of Run ask the Desk and answer
// by the request's response_url. At most 64 wait; who comes then is told to try again.
//
// With Config.Webhook alone it is an incoming webhook: it posts, and can do nothing else.
// Every revision is a message of its own then; only loud ones, the first and the last are sent.
package slack
