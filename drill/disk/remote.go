package disk

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process that serves a file system and uses it as well can wait for itself: a thread of it that asks the kernel for
// a file cannot end before another one has answered, not even by a kill. Whoever looks into a disk has it served by
// another process: Serve there, Spawn here. They speak net/rpc over the other's standard input and output, whose end
// is the disk's end.

// Serve mounts a disk and does what Remote asks, until in ends.
func Serve(backing, point string, in io.ReadCloser, out io.Writer) error {
	d, err := Mount(backing, point)
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Disk", (*served)(d)); err != nil {
		return errors.Join(err, d.Unmount())
	}
	server.ServeConn(struct {
		io.ReadCloser
		io.Writer
	}{in, out})
	return d.Unmount()
}

// served is a disk as Remote calls it.
type served Disk

// Nothing is an answer that says nothing, or a question that asks for nothing in particular.
type Nothing struct{}

// Counts is an answer.
type Counts struct{ Done, Hanging, Files, Names int }

// Bit names one bit of a file.
type Bit struct {
	Name   string
	Offset int64
	Bit    uint8
}

func (s *served) Set(c Condition, _ *Nothing) error {
	(*Disk)(s).Set(c)
	return nil
}

func (s *served) LosePower(l Loss, c *Counts) (err error) {
	c.Files, c.Names, err = (*Disk)(s).LosePower(l)
	return err
}

func (s *served) FlipBit(b Bit, _ *Nothing) error { return (*Disk)(s).FlipBit(b.Name, b.Offset, b.Bit) }

func (s *served) Count(_ Nothing, c *Counts) error {
	c.Done, c.Hanging = (*Disk)(s).Syncs()
	c.Files, c.Names = (*Disk)(s).Unsynced()
	return nil
}

// Remote is a disk that another process serves.
type Remote struct {
	client  *rpc.Client
	command *exec.Cmd
	below   string
}

// unmountPatience is how long a disk may take to go.
const unmountPatience = 10 * time.Second

// Spawn starts a command that calls Serve with the same directories, and waits until the disk is mounted.
func Spawn(command *exec.Cmd, backing string) (*Remote, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("a disk in a process of its own: %w", err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("a disk in a process of its own: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("a disk in a process of its own: %w", err)
	}
	r := &Remote{command: command, below: filepath.Join(backing, filesName), client: rpc.NewClient(struct {
		io.Reader
		io.WriteCloser
	}{out, in})}
	if _, err := r.Count(); err != nil {
		return nil, errors.Join(fmt.Errorf("a disk in a process of its own: %w", err), r.Unmount())
	}
	return r, nil
}

// Set is Disk.Set.
func (r *Remote) Set(c Condition) error { return r.client.Call("Disk.Set", c, &Nothing{}) }

// LosePower is Disk.LosePower.
func (r *Remote) LosePower(l Loss) (c Counts, err error) {
	err = r.client.Call("Disk.LosePower", l, &c)
	return c, err
}

// FlipBit is Disk.FlipBit.
func (r *Remote) FlipBit(name string, offset int64, bit uint8) error {
	return r.client.Call("Disk.FlipBit", Bit{name, offset, bit}, &Nothing{})
}

// Count is Disk.Syncs and Disk.Unsynced.
func (r *Remote) Count() (c Counts, err error) {
	err = r.client.Call("Disk.Count", Nothing{}, &c)
	return c, err
}

// Below is Disk.Below.
func (r *Remote) Below() string { return r.below }

// Unmount ends the disk and its process.
func (r *Remote) Unmount() error {
	_ = r.client.Close() // an error says that the other end has gone before
	timer := time.AfterFunc(unmountPatience, func() { _ = r.command.Process.Kill() })
	defer timer.Stop()
	if err := r.command.Wait(); err != nil {
		return fmt.Errorf("a disk ended: %w", err)
	}
	return nil
}
