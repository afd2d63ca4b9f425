package notify

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// Config is what a Center is made of.
type Config struct {
	Clock  hub.Clock
	Zone   *time.Location
	Logger *slog.Logger
	// Rules are what people decided, asked for anew each time.
	Rules func() hub.NoticeRules
	// Word is a notice in the house's language: one line.
	Word func(n hub.Notice) string
	// Publish puts a message on the hub's own broker; nil: none runs.
	Publish func(topic string, payload []byte) error
	TLS     *tls.Config // trusted certificates; nil: the machine's
}

const (
	recentKept  = 100
	queueLength = 32
)

// retries are the waits between tries at a channel that does not answer.
var retries = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}

// Center takes notices in and sends them. It is safe for concurrent use.
type Center struct {
	cfg    Config
	sender *sender
	in     chan hub.Notice

	mu     sync.Mutex
	recent []hub.Notice // newest first
	seq    uint64
	states map[hub.Channel]channelState
}

// channelState is how a channel did with its last message.
type channelState struct {
	at      time.Time
	problem string
}

// New makes a Center. Nothing is sent until Run.
func New(cfg Config) *Center {
	return &Center{cfg: cfg, sender: newSender(cfg), in: make(chan hub.Notice, queueLength), states: map[hub.Channel]channelState{}}
}

// Tell takes a notice in. It never blocks: where notices come faster than they
// can be looked at, the pages show all and the channels miss some.
func (c *Center) Tell(n hub.Notice) {
	if n.At.IsZero() {
		n.At = c.cfg.Clock.Now()
	}
	c.mu.Lock()
	c.recent = append([]hub.Notice{n}, c.recent[:min(len(c.recent), recentKept-1)]...)
	c.seq++
	c.mu.Unlock()
	select {
	case c.in <- n:
	default:
	}
}

// Forget takes out of the last notices those about somebody.
func (c *Center) Forget(about string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.DeleteFunc(slices.Clone(c.recent), func(n hub.Notice) bool { return n.Kind == hub.NoticeLogin && n.About == about })
}

// Recent are the last notices, the newest first, and how many there ever were.
func (c *Center) Recent() ([]hub.Notice, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.recent), c.seq
}

// State is when a channel had its last message, zero if it had none since the
// hub started, and why it did not arrive, "" if it did.
func (c *Center) State(of hub.Channel) (at time.Time, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[of].at, c.states[of].problem
}

// Try sends a message by one channel now, and returns why it did not arrive.
func (c *Center) Try(ctx context.Context, by hub.Channel) error {
	n := hub.Notice{Kind: hub.NoticeTest, At: c.cfg.Clock.Now()}
	err := c.sender.send(ctx, by, c.cfg.Rules(), c.message([]hub.Notice{n}))
	c.note(by, err)
	if err != nil {
		return hub.Errorf(hub.Unavailable, "the message did not go out: %v", err)
	}
	return nil
}

// Run sends until ctx ends. A channel that does not answer keeps no other one
// waiting.
func (c *Center) Run(ctx context.Context) error {
	queues := map[hub.Channel]chan Message{}
	var wg sync.WaitGroup
	for _, by := range hub.Channels() {
		queue := make(chan Message, queueLength)
		queues[by] = queue
		wg.Go(func() { c.deliver(ctx, by, queue) })
	}
	defer wg.Wait()
	desk := &Desk{Zone: c.cfg.Zone}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-c.in:
			desk.Take(n, c.cfg.Rules(), c.cfg.Clock.Now())
		case <-timer.C:
		}
		rules, now := c.cfg.Rules(), c.cfg.Clock.Now()
		if due := desk.Due(rules, now); due != nil {
			c.queue(queues, rules, c.message(due))
		}
		timer.Reset(c.wait(desk.Next(rules, now), now))
	}
}

// wait is how long it takes to next on the machine's clock, at most a minute:
// rules may change meanwhile.
func (c *Center) wait(next, now time.Time) time.Duration {
	if next.IsZero() {
		return time.Minute
	}
	return min(time.Minute, max(time.Millisecond, c.cfg.Clock.Real(next.Sub(now))))
}

func (c *Center) queue(queues map[hub.Channel]chan Message, rules hub.NoticeRules, m Message) {
	for by, queue := range queues {
		if !rules.Uses(by) {
			continue
		}
		select {
		case queue <- m:
		default:
			c.cfg.Logger.Warn("a message is dropped: too many wait", "channel", by)
		}
	}
}

func (c *Center) message(notices []hub.Notice) Message {
	m := Message{ID: newID(), At: c.cfg.Clock.Now().In(c.cfg.Zone), Notices: notices}
	lines := make([]string, len(notices))
	for i, n := range notices {
		lines[i] = c.cfg.Word(n)
		m.Urgent = m.Urgent || n.Urgent()
		if len(notices) > 1 {
			lines[i] = n.At.In(c.cfg.Zone).Format("15:04") + " " + lines[i]
		}
	}
	m.Title, m.Text = oneLine(c.cfg.Word(notices[0])), strings.Join(lines, "\n")
	return m
}

// oneLine keeps a title short and on one line, for headers.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:119]) + "…"
	}
	return text
}

// deliver sends what is queued for one channel, one after the other.
func (c *Center) deliver(ctx context.Context, by hub.Channel, queue <-chan Message) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-queue:
			c.persist(ctx, by, m)
		}
	}
}

// persist tries until the message is out, the channel is switched off, or
// nobody would want it any more.
func (c *Center) persist(ctx context.Context, by hub.Channel, m Message) {
	for try := 0; ; try++ {
		rules := c.cfg.Rules()
		if !rules.Uses(by) {
			return
		}
		err := c.sender.send(ctx, by, rules, m)
		if ctx.Err() != nil {
			return
		}
		c.note(by, err)
		if err == nil {
			return
		}
		if try == len(retries) {
			c.cfg.Logger.Warn("a message could not be sent", "channel", by, "err", err)
			return
		}
		if (hub.Clock{}).Sleep(ctx, retries[try]) != nil {
			return
		}
	}
}

func (c *Center) note(by hub.Channel, err error) {
	state := channelState{at: c.cfg.Clock.Now()}
	if err != nil {
		state.problem = err.Error()
	}
	c.mu.Lock()
	c.states[by] = state
	c.mu.Unlock()
}
