package notify_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"homehub/hub"
	"homehub/notify"
)

// letters is a mail server for one connection after the other.
type letters struct {
	addr  string
	got   chan string // DATA
	lines chan string // commands
}

func mailServer(t *testing.T, secret *tls.Config) *letters {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &letters{l.Addr().String(), make(chan string, 8), make(chan string, 64)}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.talk(conn, secret)
		}
	})
	return s
}

func (s *letters) talk(conn net.Conn, secret *tls.Config) {
	defer func() { conn.Close() }()
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	r := bufio.NewReader(conn)
	say("220 sink")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.lines <- line
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			if _, isTLS := conn.(*tls.Conn); isTLS {
				say("250-sink")
				say("250 AUTH PLAIN")
			} else if secret != nil {
				say("250-sink")
				say("250 STARTTLS")
			} else {
				say("250 sink")
			}
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, secret)
			r = bufio.NewReader(conn)
		case "AUTH":
			say("235 welcome")
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(line)
			}
			s.got <- b.String()
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

// certificate is a server's and the pool that trusts it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	t.Cleanup(web.Close)
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	return &tls.Config{Certificates: web.TLS.Certificates}, &tls.Config{RootCAs: pool}
}

func center(rules hub.NoticeRules, trusted *tls.Config) *notify.Center {
	return notify.New(notify.Config{
		Zone: amsterdam, Logger: slog.New(slog.DiscardHandler), TLS: trusted,
		Rules: func() hub.NoticeRules { return rules },
		Word:  func(n hub.Notice) string { return "Käse " + string(n.Kind) + "\r\nBcc: thief@example.org " + n.About },
	})
}

func TestMailGoesOutOverSTARTTLSWithALogIn(t *testing.T) {
	server, client := certificate(t)
	sink := mailServer(t, server)
	c := center(hub.NoticeRules{Mail: hub.MailRoute{
		Server: sink.addr, User: "hub", Password: "secret-word", From: "hub@example.org", To: "anna@example.org, Jan <jan@example.org>",
	}}, client)
	if err := c.Try(t.Context(), hub.ChannelMail); err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(strings.NewReader(<-sink.got))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Käse test Bcc: thief@example.org" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if m.Header.Get("Bcc") != "" {
		t.Error("a name added a header")
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.HasPrefix(string(body), "Käse test") {
		t.Errorf("body %q, %v", body, err)
	}
	var said []string
	for len(sink.lines) > 0 {
		said = append(said, <-sink.lines)
	}
	all := strings.Join(said, "\n")
	start, auth := strings.Index(all, "STARTTLS"), strings.Index(all, "AUTH PLAIN")
	if start < 0 || auth < start {
		t.Errorf("the password did not wait for TLS:\n%s", all)
	}
	for _, to := range []string{"RCPT TO:<anna@example.org>", "RCPT TO:<jan@example.org>"} {
		if !strings.Contains(all, to) {
			t.Errorf("no %q in\n%s", to, all)
		}
	}
}

func TestAServerWithoutTLSGetsNoPassword(t *testing.T) {
	sink := mailServer(t, nil)
	route := hub.MailRoute{Server: sink.addr, User: "hub", Password: "secret-word", From: "hub@example.org", To: "anna@example.org"}
	err := center(hub.NoticeRules{Mail: route}, nil).Try(t.Context(), hub.ChannelMail)
	if err == nil || !strings.Contains(err.Error(), "no TLS") {
		t.Errorf("error %v", err)
	}
	for len(sink.lines) > 0 {
		if line := <-sink.lines; strings.HasPrefix(line, "AUTH") {
			t.Errorf("it said %q", line)
		}
	}
	route.User = ""
	if err := center(hub.NoticeRules{Mail: route}, nil).Try(t.Context(), hub.ChannelMail); err != nil {
		t.Errorf("without a password: %v", err)
	}
}

func TestMailTrustsNoUnknownCertificate(t *testing.T) {
	server, _ := certificate(t)
	sink := mailServer(t, server)
	_, other := certificate(t)
	other.RootCAs = x509.NewCertPool()
	c := center(hub.NoticeRules{Mail: hub.MailRoute{Server: sink.addr, User: "hub", Password: "x", From: "hub@example.org", To: "anna@example.org"}}, other)
	if err := c.Try(t.Context(), hub.ChannelMail); err == nil {
		t.Error("it went out to a server that nobody vouched for")
	}
}

// request is what an HTTP server got.
type request struct {
	header http.Header
	body   string
}

func webServer(t *testing.T, answers ...int) (address string, got chan request) {
	t.Helper()
	got = make(chan request, 64)
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, string(body)}
		if tries < len(answers) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(answers[tries])
			tries++
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func TestNtfyGetsTheTextAndTheToken(t *testing.T) {
	address, got := webServer(t)
	c := center(hub.NoticeRules{Ntfy: hub.NtfyRoute{URL: address + "/house", Token: "tk_1"}}, nil)
	if err := c.Try(t.Context(), hub.ChannelNtfy); err != nil {
		t.Fatal(err)
	}
	r := <-got
	title, err := new(mime.WordDecoder).DecodeHeader(r.header.Get("Title"))
	if err != nil || title != "Käse test Bcc: thief@example.org" || r.header.Get("Authorization") != "Bearer tk_1" || r.header.Get("Priority") != "high" {
		t.Errorf("title %q, headers %v", title, r.header)
	}
	if !strings.HasPrefix(r.body, "Käse test") {
		t.Errorf("body %q", r.body)
	}
}

func TestWebhookIsSigned(t *testing.T) {
	address, got := webServer(t)
	c := center(hub.NoticeRules{Webhook: hub.WebhookRoute{URL: address, Secret: "shared"}}, nil)
	if err := c.Try(t.Context(), hub.ChannelWebhook); err != nil {
		t.Fatal(err)
	}
	r := <-got
	mac := hmac.New(sha256.New, []byte("shared"))
	mac.Write([]byte(r.body))
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); r.header.Get("X-Homehub-Signature") != want {
		t.Errorf("signature %q, want %q", r.header.Get("X-Homehub-Signature"), want)
	}
	var m notify.Message
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || len(m.Notices) != 1 || m.Notices[0].Kind != hub.NoticeTest || m.ID == "" {
		t.Errorf("body %s, %v", r.body, err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	address, got := webServer(t, http.StatusTemporaryRedirect)
	c := center(hub.NoticeRules{Ntfy: hub.NtfyRoute{URL: address + "/house", Token: "tk_1"}}, nil)
	if err := c.Try(t.Context(), hub.ChannelNtfy); err == nil {
		t.Error("no error")
	}
	if len(got) != 1 {
		t.Errorf("%d requests", len(got))
	}
	if _, problem := c.State(hub.ChannelNtfy); !strings.Contains(problem, "307") {
		t.Errorf("the page says %q", problem)
	}
}

func TestCenterSendsByEveryChannelThatIsOn(t *testing.T) {
	address, got := webServer(t)
	published := make(chan string, 8)
	rules := hub.NoticeRules{MQTT: true, Webhook: hub.WebhookRoute{URL: address}}
	c := notify.New(notify.Config{
		Zone: amsterdam, Logger: slog.New(slog.DiscardHandler), Rules: func() hub.NoticeRules { return rules },
		Word:    func(n hub.Notice) string { return string(n.Kind) + " " + n.About },
		Publish: func(topic string, payload []byte) error { published <- topic + " " + string(payload); return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.Tell(hub.Notice{Kind: hub.NoticeRun, About: "Dishwasher"})
	if r := <-got; !strings.Contains(r.body, `"title":"run Dishwasher"`) {
		t.Errorf("webhook %s", r.body)
	}
	if p := <-published; !strings.HasPrefix(p, notify.Topic+" {") || !strings.Contains(p, "Dishwasher") {
		t.Errorf("published %s", p)
	}
	if recent, seq := c.Recent(); len(recent) != 1 || seq != 1 || recent[0].At.IsZero() {
		t.Errorf("recent %v, %d", recent, seq)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTellNeverBlocks(t *testing.T) {
	c := center(hub.NoticeRules{}, nil)
	for range 1000 {
		c.Tell(hub.Notice{Kind: hub.NoticeRun})
	}
	if recent, seq := c.Recent(); len(recent) != 100 || seq != 1000 {
		t.Errorf("%d kept of %d", len(recent), seq)
	}
}

func TestRulesAreChecked(t *testing.T) {
	good := hub.NoticeRules{Mail: hub.MailRoute{Server: "mail.example.org:587", From: "a@example.org", To: "b@example.org"}, Ntfy: hub.NtfyRoute{URL: "https://ntfy.sh/house"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(r *hub.NoticeRules){
		"off":         func(r *hub.NoticeRules) { r.Off = []hub.NoticeKind{"gossip"} },
		"quiet_from":  func(r *hub.NoticeRules) { r.QuietFrom = 24 * 60 },
		"settle_ns":   func(r *hub.NoticeRules) { r.Settle = -1 },
		"mail_server": func(r *hub.NoticeRules) { r.Mail.Server = "mail.example.org" },
		"mail_from":   func(r *hub.NoticeRules) { r.Mail.From = "a\r\nBcc: c@example.org" },
		"mail_to":     func(r *hub.NoticeRules) { r.Mail.To = "" },
		"ntfy":        func(r *hub.NoticeRules) { r.Ntfy.URL = "https://ntfy.sh/" },
		"webhook":     func(r *hub.NoticeRules) { r.Webhook.URL = "file:///etc/passwd" },
	} {
		bad := good
		change(&bad)
		e, ok := bad.Validate().(*hub.Error)
		if !ok || e.Field != field {
			t.Errorf("%s: %v", field, bad.Validate())
		}
	}
}

func TestASecretDoesNotFollowToAnotherPlace(t *testing.T) {
	before := hub.NoticeRules{
		Mail: hub.MailRoute{Server: "a:587", User: "u", Password: "p"}, Ntfy: hub.NtfyRoute{URL: "https://a/x", Token: "t"},
		Webhook: hub.WebhookRoute{URL: "https://a/x", Secret: "s"},
	}
	shown := before.WithoutSecrets()
	if shown.Mail.Password+shown.Ntfy.Token+shown.Webhook.Secret != "" {
		t.Errorf("shown: %+v", shown)
	}
	if kept := shown.KeepSecrets(before); kept.Mail != before.Mail || kept.Ntfy != before.Ntfy || kept.Webhook != before.Webhook {
		t.Errorf("kept %+v", kept)
	}
	moved := shown
	moved.Mail.Server, moved.Ntfy.URL, moved.Webhook.URL = "thief:587", "https://thief/x", "https://thief/x"
	moved = moved.KeepSecrets(before)
	if moved.Mail.Password+moved.Ntfy.Token+moved.Webhook.Secret != "" {
		t.Errorf("a secret followed: %+v", moved)
	}
}
