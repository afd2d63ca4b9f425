package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/smtp"
	"strings"
	"time"

	"homehub/hub"
)

// sendWithin is how long a channel may take for one message.
const sendWithin = 20 * time.Second

// Topic is where notices stand on the hub's own broker.
const Topic = "homehub/notice"

// Message is what leaves the hub at once: one notice, or those that waited.
type Message struct {
	ID      string       `json:"id"`    // the same in every try
	At      time.Time    `json:"at"`    // when it was made
	Title   string       `json:"title"` // in the house's language, one line
	Text    string       `json:"text"`  // the same, one line for each notice
	Urgent  bool         `json:"urgent"`
	Notices []hub.Notice `json:"notices"`
}

// sender brings messages out of the hub. An error says what to do, in words
// that stand on the page.
type sender struct {
	client  *http.Client
	roots   *tls.Config // trusted certificates; nil: the machine's
	publish func(topic string, payload []byte) error
}

func newSender(cfg Config) *sender {
	transport := &http.Transport{TLSClientConfig: cfg.TLS, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	return &sender{
		client: &http.Client{
			Transport: transport, Timeout: sendWithin,
			// A redirect could send a token to somebody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		roots: cfg.TLS, publish: cfg.Publish,
	}
}

func (s *sender) send(ctx context.Context, c hub.Channel, rules hub.NoticeRules, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	switch c {
	case hub.ChannelMail:
		return s.mail(ctx, rules.Mail, m)
	case hub.ChannelNtfy:
		return s.ntfy(ctx, rules.Ntfy, m)
	case hub.ChannelWebhook:
		return s.webhook(ctx, rules.Webhook, m)
	case hub.ChannelMQTT:
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if s.publish == nil {
			return errors.New("the broker does not run here")
		}
		return s.publish(Topic, body)
	}
	return fmt.Errorf("%q is not a channel", c)
}

// ntfy publishes by the plain API of ntfy (docs.ntfy.sh/publish): the text is
// the body, everything else a header.
func (s *sender) ntfy(ctx context.Context, to hub.NtfyRoute, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, strings.NewReader(m.Text))
	if err != nil {
		return err
	}
	req.Header.Set("Title", mime.QEncoding.Encode("utf-8", m.Title))
	req.Header.Set("Priority", map[bool]string{true: "high", false: "default"}[m.Urgent])
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if to.Token != "" {
		req.Header.Set("Authorization", "Bearer "+to.Token)
	}
	return s.do(req)
}

// webhook posts the message as JSON, signed if there is a secret.
func (s *sender) webhook(ctx context.Context, to hub.WebhookRoute, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.ID)
	if to.Secret != "" {
		mac := hmac.New(sha256.New, []byte(to.Secret))
		mac.Write(body)
		req.Header.Set("X-Homehub-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return s.do(req)
}

func (s *sender) do(req *http.Request) error {
	req.Header.Set("User-Agent", "homehub")
	r, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10))
	if r.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", req.URL.Host, r.Status)
	}
	return nil
}

// mail hands the message to a mail server (RFC 5321). On port 465 it speaks
// TLS from the first byte (RFC 8314), on others STARTTLS (RFC 3207). A server
// that does not offer it gets the message only if it needs no password: that
// would be read by everybody on the way.
func (s *sender) mail(ctx context.Context, to hub.MailRoute, m Message) error {
	host, port, err := net.SplitHostPort(to.Server)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	// A hub that stops does not wait for somebody else's mail server.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	secret := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.roots != nil {
		secret.RootCAs = s.roots.RootCAs
	}
	if port == "465" {
		conn = tls.Client(conn, secret)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello("homehub.local"); err != nil {
		return err
	}
	if port != "465" {
		if ok, _ := c.Extension("STARTTLS"); ok {
			if err := c.StartTLS(secret); err != nil {
				return err
			}
		} else if to.User != "" {
			return fmt.Errorf("%s offers no TLS, so it gets no password: use another port or server", to.Server)
		}
	}
	if to.User != "" {
		if err := c.Auth(smtp.PlainAuth("", to.User, to.Password, host)); err != nil {
			return err
		}
	}
	return deliver(c, to, m)
}

func deliver(c *smtp.Client, to hub.MailRoute, m Message) error {
	from, err := mail.ParseAddress(to.From)
	if err != nil {
		return err
	}
	list, err := mail.ParseAddressList(to.To)
	if err != nil {
		return err
	}
	if err := c.Mail(from.Address); err != nil {
		return err
	}
	for _, a := range list {
		if err := c.Rcpt(a.Address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(letter(from, list, m)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// letter is the message as RFC 5322 wants it. Names of devices end up in it,
// so what is not plain is encoded: no name can add a header.
func letter(from *mail.Address, to []*mail.Address, m Message) []byte {
	var b bytes.Buffer
	var all []string
	for _, a := range to {
		all = append(all, a.String())
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	for _, h := range [][2]string{
		{"From", from.String()},
		{"To", strings.Join(all, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", m.Title)},
		{"Date", m.At.Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, strings.ReplaceAll(m.Text, "\n", "\r\n")+"\r\n") // to memory
	_ = w.Close()
	return b.Bytes()
}

func newID() string { return strings.ToLower(rand.Text()) }
