package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"homehub/hub"
	"homehub/sim"
)

// gadgets are the families that homehub sim device can be.
var gadgets = []hub.Family{
	hub.FamilyEmonESP, hub.FamilyHPMon, hub.FamilyTasmota, hub.FamilyShelly1, hub.FamilyShelly2,
	hub.FamilyZigbee2MQTT, hub.FamilyESPHome, hub.FamilyMQTT, hub.FamilyWebhook,
}

func newSimDevice() *cobra.Command {
	var family, id string
	var power, speed int
	cfg := sim.GadgetConfig{}
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Be a plug, relay or heat pump of another maker",
		Long: fmt.Sprintf(`Be a device of one of the families %v:
a relay with an appliance behind it that says what the real firmware says. It
logs in at a broker with what the hub gave it, or with a program's log-in.
A webhook and a Shelly of the first generation print the address of their pages.`, gadgets),
		Example: `  homehub sim device --family tasmota --topic kettle --broker hub.local:1883 --user kettle --password 0123…`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Family = hub.Family(family); !slices.Contains(gadgets, cfg.Family) {
				return usageError{fmt.Errorf("--family %q is not one of %v", family, gadgets)}
			}
			if cfg.Login.Topic == "" && cfg.Family != hub.FamilyWebhook {
				return usageError{fmt.Errorf("a device needs --topic, the base of its topics")}
			}
			cfg.Clock, cfg.Power = hub.ScaledClock(hub.Clock{}.Now(), speed), hub.Watt(power)
			cfg.Logger, _ = newLogger(cmd.ErrOrStderr(), 0)
			if cfg.Login.ClientID = id; id == "" {
				cfg.Login.ClientID = cfg.Login.Username
			}
			g, err := sim.NewGadget(cfg)
			if err != nil {
				return err
			}
			if address := g.Address(); address != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "its pages are at http://%s\n", address)
			}
			return g.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&family, "family", "", "what it speaks")
	f.StringVar(&cfg.Login.Topic, "topic", "", "its topic, as the hub knows the device by")
	f.StringVar(&cfg.Broker, "broker", "127.0.0.1:1883", "host and port of the broker")
	f.StringVar(&cfg.Login.Username, "user", "", "user name")
	f.StringVar(&cfg.Login.Password, "password", "", "password")
	f.StringVar(&id, "client-id", "", "client id; the user name by default")
	f.IntVar(&power, "power", 1000, "what its appliance draws, in W")
	f.IntVar(&speed, "speed", 1, "simulated seconds per second")
	return cmd
}
