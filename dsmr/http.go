package dsmr

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// httpPort asks a gateway for its last telegram, again and again, and hands out
// the answers as one stream (HomeWizard /api/v1/telegram, and /api/telegram
// with a token). An answer that is the same as the one before is left out: a
// meter that speaks every 10 s is still asked every second.
type httpPort struct {
	ctx     context.Context
	cancel  context.CancelFunc
	client  *http.Client
	source  Source
	ticker  *time.Ticker
	last    []byte
	pending []byte
}

func openHTTP(ctx context.Context, s Source) *httpPort {
	every := s.Every
	if every <= 0 {
		every = time.Second
	}
	transport := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second}
	if s.Insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the owner asked for it
	}
	p := &httpPort{source: s, ticker: time.NewTicker(every)}
	p.client = &http.Client{
		Transport: transport,
		Timeout:   5 * time.Second,
		// A redirect would carry the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// Read hands out what is left of an answer, or asks for the next one.
func (p *httpPort) Read(b []byte) (int, error) {
	for len(p.pending) == 0 {
		answer, err := p.ask()
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(answer, p.last) {
			p.last = append(p.last[:0], answer...)
			p.pending = append(answer, '\r', '\n')
			break
		}
		select {
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		case <-p.ticker.C:
		}
	}
	n := copy(b, p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func (p *httpPort) ask() ([]byte, error) {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.source.Address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", p.source.Address, err)
	}
	if p.source.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.source.Token)
		req.Header.Set("X-Api-Version", "2")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return nil, errors.New("the gateway wants a valid token, or its local API is switched off")
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the gateway answered %s", resp.Status)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 2*MaxTelegram))
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return answer, nil
}

// Interrupt ends a request under way.
func (p *httpPort) Interrupt() { p.cancel() }

// Close ends the asking.
func (p *httpPort) Close() error {
	p.cancel()
	p.ticker.Stop()
	p.client.CloseIdleConnections()
	return nil
}
