package main

import (
	"context"
	"time"

	"homehub/hub"
	"homehub/notify"
	"homehub/store"
)

// noticeRulesKey is the setting that holds what people decided about notices.
const noticeRulesKey = "notices"

// noticeDesk gives the pages the notices and their rules.
type noticeDesk struct {
	*notify.Center
	store *store.Store
}

// Rules are what people decided.
func (d noticeDesk) Rules() hub.NoticeRules { return noticeRules(d.store) }

// PutRules keeps rules, durably.
func (d noticeDesk) PutRules(r hub.NoticeRules) error { return d.store.PutSetting(noticeRulesKey, r) }

func noticeRules(s *store.Store) (r hub.NoticeRules) {
	s.Setting(noticeRulesKey, &r)
	return r
}

func (i *installation) buildNotices() error {
	i.notices = notify.New(notify.Config{
		Clock: i.opt.clock, Zone: i.zone, Logger: i.part("notices"),
		Rules:   func() hub.NoticeRules { return noticeRules(i.store) },
		Word:    func(n hub.Notice) string { return i.pages.Word(n) },
		Publish: func(topic string, payload []byte) error { return i.broker.Publish(topic, payload, false) },
	})
	return nil
}

// watchHouse tells people what changes in the house and among the parts. It
// looks every five seconds: telegrams come every second, and none is news.
func (i *installation) watchHouse(ctx context.Context) error {
	var watcher notify.Watcher
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		parts, _ := i.health.Parts()
		for _, n := range watcher.See(i.hub.Snapshot(), parts) {
			i.notices.Tell(n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
