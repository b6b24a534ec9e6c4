package width

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result of a run.
type Result struct {
	Machine     string    `json:"machine"`
	Began       time.Time `json:"began"`
	Took        float64   `json:"took_seconds"`
	Clients     int       `json:"clients"`
	Servers     int       `json:"servers"`
	PerServer   int       `json:"clients_per_server"`
	Descriptors int       `json:"descriptors"` // that a process may have
	Flow        float64   `json:"flow"`        // orders and cancels a second, of each server's players
	Seconds     float64   `json:"seconds"`     // that each case was counted
	Quiet       float64   `json:"quiet_ms"`    // noise with nobody connected
	Cases       []Case    `json:"cases"`
}

// Case is one way of telling many clients.
type Case struct {
	Name     string  `json:"name"`
	Open     int     `json:"open"`
	Failed   int     `json:"failed"`
	Lost     int     `json:"lost"`
	Why      string  `json:"why,omitempty"` // the first was lost, or failed
	Messages float64 `json:"messages_per_second"`
	Frames   float64 `json:"frames_per_second"`
	Bytes    float64 `json:"bytes_per_second"`
	Fewest   uint64  `json:"fewest"` // messages of one client
	Most     uint64  `json:"most"`
	P50      float64 `json:"lag_p50_ms"`
	P99      float64 `json:"lag_p99_ms"`
	Max      float64 `json:"lag_max_ms"`
	Idle     float64 `json:"memory_idle"`              // of the server's process, per client, bytes
	Memory   float64 `json:"memory"`                   // the same at the end
	Sockets  float64 `json:"sockets"`                  // the kernel's buffers of both sides, per client, bytes
	Spent    float64 `json:"processor_us_per_message"` // of those who tell, beyond what they use without clients
	Share    float64 `json:"processors"`               // that those who tell used
	Noise    float64 `json:"noise_ms"`

	idle, memory, sockets uint64
	messages, frames      uint64
	bytes                 uint64
	took                  time.Duration
	crowds                int
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile of times, in a hundredth.
func quantile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*percent/100]
}

func (k *Case) add(v *told) {
	if k.crowds == 0 || v.Fewest < k.Fewest {
		k.Fewest = v.Fewest
	}
	if k.Why == "" {
		k.Why = v.Why
	}
	k.crowds++
	k.Open, k.Failed, k.Lost, k.Most = k.Open+v.Open, k.Failed+v.Failed, k.Lost+v.Lost, max(k.Most, v.Most)
	k.messages, k.frames, k.bytes = k.messages+v.Messages, k.frames+v.Frames, k.bytes+v.Bytes
	k.took = max(k.took, v.Took)
}

func (k *Case) sum(lag *hdrhistogram.Histogram, spent time.Duration) {
	per := func(n uint64, by float64) float64 {
		if by <= 0 {
			return 0
		}
		return float64(n) / by
	}
	seconds, clients := k.took.Seconds(), float64(k.Open+k.Lost)
	k.Messages, k.Frames, k.Bytes = per(k.messages, seconds), per(k.frames, seconds), per(k.bytes, seconds)
	k.Idle, k.Memory, k.Sockets = per(k.idle, clients), per(k.memory, clients), per(k.sockets, clients)
	k.P50, k.P99 = float64(lag.ValueAtQuantile(50))/1000, float64(lag.ValueAtQuantile(99))/1000
	k.Max = float64(lag.Max()) / 1000
	if k.messages > 0 {
		k.Spent = float64(spent.Microseconds()) / float64(k.messages)
	}
	if seconds > 0 {
		k.Share = spent.Seconds() / seconds
	}
}

func (k *Case) line() string {
	return fmt.Sprintf("%-20s %6d open  %9.0f messages/s in %8.0f frames/s  lag p50 %.0f ms, p99 %.0f ms", k.Name, k.Open,
		k.Messages, k.Frames, k.P50, k.P99)
}

// Held reports whether every client was let in and kept by the house; what a plain broadcast does is its own matter.
func (r *Result) Held() bool {
	for i, k := range r.Cases {
		if !situations[i].plain && (k.Open != r.Clients || k.Failed+k.Lost > 0 || k.Messages == 0) {
			return false
		}
	}
	return len(r.Cases) == len(situations)
}

// JSON writes the result.
func (r *Result) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Table writes the result for people.
func (r *Result) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "\topen\tlost\tmessages/s\tframes/s\tMB/s\tlag p50\tp99\tmax\tCPU/message\tprocessors\t"+
		"memory/client\tidle\tsockets\tnoise p99\t")
	for _, k := range r.Cases {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%.0f\t%.0f\t%.1f\t%.0f ms\t%.0f ms\t%.0f ms\t%.2f us\t%.2f\t%.1f KB\t%.1f KB\t"+
			"%.1f KB\t%.1f ms\t\n", k.Name, k.Open, k.Lost+k.Failed, k.Messages, k.Frames, k.Bytes/1e6, k.P50, k.P99, k.Max,
			k.Spent, k.Share, k.Memory/1024, k.Idle/1024, k.Sockets/1024, k.Noise)
	}
	err := w.Flush()
	if err == nil {
		_, err = fmt.Fprintf(out, "\n%d clients of %d servers (%d of each), quotes of every security, %.0f orders a second at each "+
			"exchange, %.0f s each.\nA process may have %d descriptors here. Noise with nobody connected: %.1f ms at p99. %s\n",
			r.Clients, r.Servers, r.PerServer, r.Flow, r.Seconds, r.Descriptors, r.Quiet, r.Machine)
	}
	for _, k := range r.Cases {
		if err == nil && k.Why != "" {
			_, err = fmt.Fprintf(out, "%s: %d failed, %d were lost: %s\n", k.Name, k.Failed, k.Lost, k.Why)
		}
	}
	return err
}
