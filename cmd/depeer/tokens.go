package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"depeer/web/access"
)

func tokensCommand() *cobra.Command {
	return family(&cobra.Command{
		Use:     "tokens",
		GroupID: groupConfig,
		Short:   "Make, list and revoke the tokens that the API asks for",
		Long: `Make, list and revoke API tokens: who comes with one (Authorization: Bearer depeer_...)
may read (viewer), acknowledge, comment, silence, subscribe and report sightings
(operator), or also take subscriptions away and read who did what (admin).

A token is shown once. What is kept is its hash, in tokens.json in the folder run.state
of the configuration; a running depeer takes a change in at once. Tokens are asked for
where the configuration says web: {auth: {tokens: true}}.`,
	}, tokensCreateCommand(), tokensListCommand(), tokensRevokeCommand())
}

func tokensCreateCommand() *cobra.Command {
	var scope, expires string
	var asJSON bool
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token, and show it this once",
		Example: `  depeer tokens create grafana -c depeer.yaml
  depeer tokens create "NOC screen" -c depeer.yaml --scope viewer --expires 90d
  depeer tokens create alice -c depeer.yaml --scope operator > alice.token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			life, err := parseDuration(expires)
			if err != nil {
				return usagef("--expires: %v", err)
			}
			if !access.Scope(scope).Known() {
				return usagef("--scope: %q is none of viewer, operator, admin%s", scope, didYouMean(scope, []string{"viewer", "operator", "admin"}))
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			secret, token, err := tokenFile(cfg).Create(args[0], access.Scope(scope), time.Now(), life)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
					Token string `json:"token"`
					shownToken
				}{secret, shown(token)})
			}
			fmt.Fprintln(cmd.OutOrStdout(), secret)
			fmt.Fprintf(cmd.ErrOrStderr(), "%s, for %s (%s), until %s. It is not shown again.\n", token.ID, token.Name, token.Scope, token.Expires.Format(time.DateOnly))
			if !cfg.Web.Auth.Tokens {
				fmt.Fprintf(cmd.ErrOrStderr(), "Nobody is asked for one yet: %s does not say web: {auth: {tokens: true}}.\n", configFile(cmd))
			}
			return nil
		},
	}
	c.Flags().StringVar(&scope, "scope", string(access.Viewer), "what it allows: viewer, operator or admin")
	c.Flags().StringVar(&expires, "expires", "365d", "how long it lasts")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

// shownToken is what may be shown of a token: not its hash.
type shownToken struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Scope   access.Scope `json:"scope"`
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
	Expired bool         `json:"expired"`
}

func shown(t access.Token) shownToken {
	return shownToken{t.ID, t.Name, t.Scope, t.Created, t.Expires, !time.Now().Before(t.Expires)}
}

func tokensListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens there are: not they themselves, which nobody has but their owners",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			all, err := tokenFile(cfg).List()
			if err != nil {
				return err
			}
			out := make([]shownToken, 0, len(all))
			rows := [][]string{{"ID", "NAME", "SCOPE", "CREATED", "EXPIRES"}}
			for _, t := range all {
				x := shown(t)
				end := x.Expires.Format(time.DateOnly)
				if x.Expired {
					end += " (over)"
				}
				out, rows = append(out, x), append(rows, []string{x.ID, x.Name, string(x.Scope), x.Created.Format(time.DateOnly), end})
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(out)
			}
			if len(out) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "There is no token. `depeer tokens create NAME` makes one.")
				return nil
			}
			writeTable(cmd.OutOrStdout(), rows)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func tokensRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID...",
		Short: "Take tokens away: from the next request on they open nothing",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			var errs []error
			for _, id := range args {
				t, err := tokenFile(cfg).Revoke(id)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s, for %s (%s), is revoked\n", t.ID, t.Name, t.Scope)
			}
			return errors.Join(errs...)
		},
	}
}
