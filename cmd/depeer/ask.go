package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// askTimeout bounds a question to a running depeer: the judgement may be busy saving.
const askTimeout = 30 * time.Second

// ask puts a question to the depeer that runs with the same configuration.
func ask(ctx context.Context, cmd *cobra.Command, path string, query url.Values, into any) (where string, err error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return "", err
	}
	where = cfg.Web.Listen
	if where == "" {
		return where, usagef("%s: web.listen is empty: a running depeer cannot be asked", configFile(cmd))
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	u := url.URL{Scheme: "http", Host: where, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return where, err
	}
	resp, err := http.DefaultClient.Do(req)
	var refused *net.OpError
	if errors.As(err, &refused) && errors.Is(refused.Err, syscall.ECONNREFUSED) {
		return where, fmt.Errorf("nobody answers at %s (web.listen): is `depeer run` running with this configuration?", where)
	}
	if err != nil {
		return where, fmt.Errorf("ask %s: %w", where, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var problem struct {
			Detail string `json:"detail"`
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
			return where, errors.New(problem.Detail)
		}
		return where, fmt.Errorf("ask %s: %s", where, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return where, fmt.Errorf("ask %s: %w", where, err)
	}
	return where, nil
}
