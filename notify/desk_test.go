package notify_test

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/hub"
	"homehub/notify"
)

var (
	amsterdam, _ = time.LoadLocation("Europe/Amsterdam")
	noon         = time.Date(2026, 3, 10, 12, 0, 0, 0, amsterdam)
	meter        = hub.Notice{Kind: hub.NoticeMeter}
	over         = hub.Notice{Kind: hub.NoticeMeter, Over: true}
	run          = hub.Notice{Kind: hub.NoticeRun, About: "Dishwasher"}
)

// step is one moment in the life of a desk: what is told, and what leaves.
type step struct {
	after time.Duration // since noon
	take  []hub.Notice
	want  string // kinds of the message, "" for none
}

func TestDeskSendsWhatLastsOnce(t *testing.T) {
	night := hub.NoticeRules{Quiet: true, QuietFrom: 22 * 60, QuietTo: 7 * 60}
	tests := []struct {
		name  string
		rules hub.NoticeRules
		steps []step
	}{
		{"what happens is told at once", hub.NoticeRules{}, []step{{0, []hub.Notice{run}, "run"}, {time.Second, nil, ""}}},
		{"trouble is told when it lasted five minutes", hub.NoticeRules{}, []step{
			{0, []hub.Notice{meter}, ""},
			{5*time.Minute - time.Second, nil, ""},
			{5 * time.Minute, nil, "meter"},
			{6 * time.Minute, []hub.Notice{over}, "meter over"},
		}},
		{"trouble that is over in time is no news", hub.NoticeRules{}, []step{
			{0, []hub.Notice{meter}, ""},
			{time.Minute, []hub.Notice{over}, ""},
			{time.Hour, nil, ""},
		}},
		{"trouble that comes and goes is told once an hour", hub.NoticeRules{}, []step{
			{0, []hub.Notice{meter}, ""},
			{5 * time.Minute, nil, "meter"},
			{6 * time.Minute, []hub.Notice{over}, "meter over"},
			{7 * time.Minute, []hub.Notice{meter}, ""},
			{30 * time.Minute, nil, ""},
			{65 * time.Minute, nil, "meter"},
		}},
		{"trouble that is told stays told", hub.NoticeRules{}, []step{
			{0, []hub.Notice{meter}, ""},
			{5 * time.Minute, nil, "meter"},
			{3 * time.Hour, []hub.Notice{meter}, ""},
			{4 * time.Hour, nil, ""},
		}},
		{"storage does not wait", hub.NoticeRules{}, []step{{0, []hub.Notice{{Kind: hub.NoticeStorage, About: "storage"}}, "storage"}}},
		{"a kind that is switched off is not sent", hub.NoticeRules{Off: []hub.NoticeKind{hub.NoticeRun}}, []step{{0, []hub.Notice{run}, ""}}},
		{"quiet hours hold back until their end", night, []step{
			{10 * time.Hour, []hub.Notice{run}, ""}, // 22:00
			{19*time.Hour - time.Minute, nil, ""},
			{19 * time.Hour, nil, "run"},
		}},
		{"what is urgent breaks quiet hours", night, []step{
			{11 * time.Hour, []hub.Notice{{Kind: hub.NoticeLogin, About: "jan"}, run}, "login"},
		}},
		{"quiet hours within a day", hub.NoticeRules{Quiet: true, QuietFrom: 12 * 60, QuietTo: 13 * 60}, []step{
			{0, []hub.Notice{run}, ""},
			{time.Hour, nil, "run"},
		}},
		{"what waited for quiet hours and is over is no news", night, []step{
			{11 * time.Hour, []hub.Notice{meter}, ""},
			{13 * time.Hour, []hub.Notice{over}, ""},
			{19 * time.Hour, nil, ""},
		}},
		{"what is told and back again before the word that it is over", night, []step{
			{9 * time.Hour, []hub.Notice{meter}, ""},
			{9*time.Hour + 5*time.Minute, nil, "meter"},
			{11 * time.Hour, []hub.Notice{over}, ""},
			{12 * time.Hour, []hub.Notice{meter}, ""},
			{19 * time.Hour, nil, ""},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			desk := &notify.Desk{Zone: amsterdam}
			for i, s := range test.steps {
				now := noon.Add(s.after)
				if next := desk.Next(test.rules, noon.Add(s.after-time.Nanosecond)); s.want != "" && len(s.take) == 0 && next.After(now) {
					t.Errorf("step %d: it would be woken at %v, after %v", i, next, now)
				}
				for _, n := range s.take {
					desk.Take(n, test.rules, now)
				}
				if got := kinds(desk.Due(test.rules, now)); got != s.want {
					t.Errorf("step %d: sent %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

func kinds(list []hub.Notice) string {
	text := ""
	for _, n := range list {
		if text != "" {
			text += ","
		}
		text += string(n.Kind)
		if n.Over {
			text += " over"
		}
	}
	return text
}

func TestDeskSendsSixAnHourAndThenTheRestTogether(t *testing.T) {
	desk := &notify.Desk{Zone: amsterdam}
	rules := hub.NoticeRules{}
	sent := 0
	for i := range 20 {
		now := noon.Add(time.Duration(i) * time.Minute)
		desk.Take(hub.Notice{Kind: hub.NoticeRun, About: fmt.Sprint(i)}, rules, now)
		if desk.Due(rules, now) != nil {
			sent++
		}
	}
	if sent != 6 {
		t.Errorf("%d messages in 20 minutes, want 6", sent)
	}
	next := desk.Next(rules, noon.Add(20*time.Minute))
	if want := noon.Add(time.Hour); !next.Equal(want) {
		t.Fatalf("next at %v, want %v", next, want)
	}
	if rest := desk.Due(rules, next); len(rest) != 14 {
		t.Errorf("%d notices in the message after the hour, want 14", len(rest))
	}
}

func TestDeskForgetsTheOldestOfManyNotices(t *testing.T) {
	desk := &notify.Desk{Zone: amsterdam}
	rules := hub.NoticeRules{Quiet: true, QuietFrom: 11 * 60, QuietTo: 13 * 60}
	for i := range 1000 {
		desk.Take(hub.Notice{Kind: hub.NoticeRun, About: fmt.Sprint(i)}, rules, noon)
	}
	got := desk.Due(rules, noon.Add(time.Hour))
	if len(got) != 64 || got[63].About != "999" {
		t.Errorf("%d notices, the last %q; want the last 64", len(got), got[len(got)-1].About)
	}
}

func TestQuietHoursFollowTheWallClockOnAShortDay(t *testing.T) {
	desk := &notify.Desk{Zone: amsterdam}
	rules := hub.NoticeRules{Quiet: true, QuietFrom: 22 * 60, QuietTo: 7 * 60}
	late := time.Date(2026, 3, 28, 23, 0, 0, 0, amsterdam)
	desk.Take(run, rules, late)
	if got, want := desk.Next(rules, late), time.Date(2026, 3, 29, 7, 0, 0, 0, amsterdam); !got.Equal(want) {
		t.Errorf("woken at %v, want %v", got, want)
	}
}
