package sim

import "context"

// runSolar is an EmonESP sensor behind the inverter: it publishes what the
// roof gives, and listens to nothing.
func runSolar(ctx context.Context, cfg Config) {
	c := connect(cfg.Broker, cfg.Solar, cfg.Logger.With("device", "solar"), behaviour{})
	defer c.close()
	tick := pace(cfg.Clock, emonInterval, emonGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			power, energy := cfg.House.Solar()
			c.publish("power", false, number(int64(power)))
			c.publish("energy", false, number(int64(energy)))
		}
	}
}
