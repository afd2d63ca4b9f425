// Package notify tells the people of the house what they would want to know:
// by e-mail, ntfy, the hub's own broker and a webhook. Watcher makes notices
// of what is true, Desk decides which of them are sent and when (both pure),
// Center runs them and keeps trying a channel that does not answer.
//
// Only cmd/homehub imports this package.
package notify
