// Package cable is a network made for one run: every machine has a network namespace of its own and one cable to a
// switch, and cables lose what they are told to lose, in one direction or in both.
//
// Units: loss in percent of packets.
//
// Invariants: everything is made inside the process's own network and mount namespaces (Inside), so that nothing of
// the machine's network is touched, and nothing is left when the process has ended, however it ended.
//
// It never changes what a packet holds, nor its order: it drops or lets pass. tc netem, which could, is not
// everywhere.
//
// Source: ip-netns(8), nft(8), veth(4); the loss is nft's `numgen random`.
package cable

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hub is the machine that the process itself is: the switch, with the clients on it.
const Hub = "hub"

// Everywhere stands for all machines in a Fault.
const Everywhere = "*"

// insideVariable says to a process that it has namespaces of its own.
const insideVariable = "EVENKEEL_DRILL_INSIDE"

// namesDirectory is where ip-netns keeps names.
const namesDirectory = "/run/netns"

// MaxMachines that one network takes.
const MaxMachines = 100

// Usable says why no network can be made here; nil when one can.
func Usable() error {
	if os.Geteuid() != 0 {
		return errors.New("cutting networks needs root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := find(tool); err != nil {
			return fmt.Errorf("cutting networks needs %s (apt-get install iproute2 nftables): %w", tool, err)
		}
	}
	return nil
}

// Inside reports whether the process has namespaces of its own.
func Inside() bool { return os.Getenv(insideVariable) != "" }

// Enter runs this program again, with the same arguments, in namespaces of its own, and answers how it ended.
// Interrupts are passed on.
func Enter() error {
	again := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:noctx // it ends by the signals passed on
	again.Args[0] = os.Args[0]
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Env = append(os.Environ(), insideVariable+"=yes")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig: syscall.SIGKILL, Setpgid: true}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	runtime.LockOSThread() // whose end would be the child's end
	defer runtime.UnlockOSThread()
	if err := again.Start(); err != nil {
		return fmt.Errorf("making namespaces: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- again.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = again.Process.Signal(s)
		case err := <-ended:
			return err
		}
	}
}

// Network is the machines and their cables.
type Network struct {
	machines []string
	own      *os.File // the hub's namespace
}

// Fault is what a cable does wrong, from one machine to another.
type Fault struct {
	From, To string // machines, Hub or Everywhere
	Loss     int    // percent
}

// New makes a network of machines with these names, at most 12 letters each. The process must be Inside.
func New(machines ...string) (_ *Network, err error) {
	if !Inside() {
		return nil, errors.New("making a network: the process has no namespaces of its own")
	}
	if len(machines) > MaxMachines {
		return nil, fmt.Errorf("making a network: %d machines, at most %d", len(machines), MaxMachines)
	}
	n := &Network{machines: machines}
	if n.own, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, fmt.Errorf("making a network: %w", err)
	}
	// Mounts of ours must not be seen outside, and names of namespaces must go with us.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("making a network: own mounts: %w", err)
	}
	if err := os.MkdirAll(namesDirectory, 0o755); err != nil { //nolint:gosec // as ip-netns makes it
		return nil, fmt.Errorf("making a network: %w", err)
	}
	if err := unix.Mount("drill", namesDirectory, "tmpfs", 0, ""); err != nil {
		return nil, fmt.Errorf("making a network: %s: %w", namesDirectory, err)
	}
	steps := []string{"link set lo up", "link add hub type bridge", "address add " + n.prefix(Hub) + " dev hub",
		"link set hub up"}
	for _, m := range machines {
		steps = append(steps, "netns add "+m, "link add "+port(m)+" type veth peer name eth0 netns "+m,
			"link set "+port(m)+" master hub up", "-n "+m+" link set lo up",
			"-n "+m+" address add "+n.prefix(m)+" dev eth0", "-n "+m+" link set eth0 up")
	}
	for _, step := range steps {
		if err := run("ip", "", strings.Fields(step)...); err != nil {
			return nil, fmt.Errorf("making a network: %w", err)
		}
	}
	return n, n.Set()
}

func port(machine string) string { return "to-" + machine }

// Address of a machine.
func (n *Network) Address(machine string) netip.Addr {
	last := 1 + slices.Index(n.machines, machine)
	if machine == Hub {
		last = 254
	}
	return netip.AddrFrom4([4]byte{10, 77, 0, byte(last)})
}

func (n *Network) prefix(machine string) string { return n.Address(machine).String() + "/24" }

// Start starts a program on a machine.
func (n *Network) Start(machine string, command *exec.Cmd) error {
	there, err := os.Open(filepath.Join(namesDirectory, machine))
	if err != nil {
		return fmt.Errorf("starting on %s: %w", machine, err)
	}
	defer there.Close() //nolint:errcheck // only read
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("starting on %s: %w", machine, err)
	}
	started := command.Start()
	if err := unix.Setns(int(n.own.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("a thread is left in the network of %s: %v", machine, err))
	}
	return started
}

// Set makes the cables' faults those given, at once; none: all is well.
func (n *Network) Set(faults ...Fault) error {
	var forward, in, out strings.Builder
	for _, f := range faults {
		verdict := "drop"
		if f.Loss < 100 {
			verdict = fmt.Sprintf("numgen random mod 100 < %d drop", f.Loss)
		}
		for _, from := range n.those(f.From) {
			for _, to := range n.those(f.To) {
				switch {
				case from == to:
				case from == Hub:
					fmt.Fprintf(&out, "oifname %q %s\n", port(to), verdict)
				case to == Hub:
					fmt.Fprintf(&in, "iifname %q %s\n", port(from), verdict)
				default:
					fmt.Fprintf(&forward, "iifname %q oifname %q %s\n", port(from), port(to), verdict)
				}
			}
		}
	}
	// The first line makes the table when there is none, so that the second can always take it away.
	rules := "table bridge drill\ndelete table bridge drill\ntable bridge drill {\n"
	for hook, chain := range map[string]string{"forward": forward.String(), "input": in.String(),
		"output": out.String()} {
		rules += fmt.Sprintf("chain %s {\ntype filter hook %s priority 0;\n%s}\n", hook, hook, chain)
	}
	if err := run("nft", rules+"}\n", "-f", "-"); err != nil {
		return fmt.Errorf("setting the cables: %w", err)
	}
	return nil
}

func (n *Network) those(name string) []string {
	if name == Everywhere {
		return append(slices.Clone(n.machines), Hub)
	}
	return []string{name}
}

// Cut are the faults that cut a machine off from others, both ways; without others, from all.
func Cut(machine string, others ...string) []Fault {
	if len(others) == 0 {
		others = []string{Everywhere}
	}
	return append(Mute(machine, others...), Deafen(machine, others...)...)
}

// Mute are the faults by which others do not hear a machine.
func Mute(machine string, others ...string) (faults []Fault) {
	for _, o := range others {
		faults = append(faults, Fault{From: machine, To: o, Loss: 100})
	}
	return faults
}

// Deafen are the faults by which a machine does not hear others.
func Deafen(machine string, others ...string) (faults []Fault) {
	for _, o := range others {
		faults = append(faults, Fault{From: o, To: machine, Loss: 100})
	}
	return faults
}

// find looks where system tools lie, too: a PATH of a user does not always name it.
func find(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", tool))
}

func run(tool, input string, args ...string) error {
	path, err := find(tool)
	if err != nil {
		return err
	}
	command := exec.Command(path, args...) //nolint:gosec,noctx // a tool that Usable names, and it does not wait
	command.Stdin = strings.NewReader(input)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
