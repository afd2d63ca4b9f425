package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"homehub/bench/disk"
)

// Config says how to cut.
type Config struct {
	Folder  string        // for images and mount points, in RAM if possible
	Images  int           // how many
	Seed    uint64        // of the cuts
	Record  time.Duration // how long the child lives
	Options string        // of the mount
	Workers int           // images at a time; 0 means 2
	// Lie is how many writes the card forgets although it flushed them: a
	// check that lets it get away with that is none.
	Lie int
}

// Result is what the images showed.
type Result struct {
	Writes, Flushes int // recorded
	Windows, Puts   int // promised to the child
	Images          int
	Unmountable     []string // ext4 did not recover
	Wrong           []string // mounted, but the engine or the store lost or invented something
}

// String is the result in a line.
func (r Result) String() string {
	return fmt.Sprintf("%d windows and %d settings acknowledged, %d writes, %d flushes; %d crash images: %d unmountable, %d wrong",
		r.Windows, r.Puts, r.Writes, r.Flushes, r.Images, len(r.Unmountable), len(r.Wrong))
}

const (
	cardSize   = 96 << 20
	sectorSize = 512
)

// Missing says what keeps Run from working here, "" if nothing does.
func Missing() string {
	if why := disk.Missing(); why != "" {
		return why
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return "no FUSE"
	}
	return ""
}

// ack is a promise that held when the card had done so many ops.
type ack struct {
	ops int
	promise
}

// trace is a recorded life.
type trace struct {
	base  []byte
	ops   []op
	acks  []ack
	lived int
}

// Run records a life and looks at images of it.
func Run(ctx context.Context, cfg Config) (Result, error) {
	t, err := record(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	res := Result{Images: cfg.Images}
	for _, o := range t.ops {
		if o.data == nil {
			res.Flushes++
		} else {
			res.Writes++
		}
	}
	if len(t.acks) > 0 {
		last := t.acks[len(t.acks)-1]
		res.Windows, res.Puts = last.window+1, last.put+1
	}
	if res.Windows < 10 {
		return res, fmt.Errorf("the child lived %d windows only", res.Windows)
	}
	r := rand.New(rand.NewPCG(cfg.Seed, 5))
	cuts := make([]int, cfg.Images)
	for i := range cuts {
		cuts[i] = 1 + r.IntN(len(t.ops))
	}
	slices.Sort(cuts)
	if cfg.Workers == 0 {
		cfg.Workers = 2
	}
	share := (len(cuts) + cfg.Workers - 1) / cfg.Workers
	var wg sync.WaitGroup
	var mu sync.Mutex
	for part := range slices.Chunk(cuts, max(1, share)) {
		wg.Go(func() {
			unmountable, wrong, failed := t.examine(ctx, cfg, part, rand.New(rand.NewPCG(cfg.Seed, uint64(part[0]))))
			mu.Lock()
			defer mu.Unlock()
			res.Unmountable = append(res.Unmountable, unmountable...)
			res.Wrong = append(res.Wrong, wrong...)
			err = errors.Join(err, failed)
		})
	}
	wg.Wait()
	return res, err
}

// self runs this program in a role.
func self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GOGC=400")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// record lets a child live on a card for a while.
func record(ctx context.Context, cfg Config) (t *trace, err error) {
	folder, err := os.MkdirTemp(cfg.Folder, "record")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	r, err := newRecorder(folder, cardSize, cfg.Options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := errors.Join(os.Mkdir(filepath.Join(r.dir, "tsdb"), 0o700), os.Mkdir(filepath.Join(r.dir, "store"), 0o700), r.sync()); err != nil {
		return nil, err
	}
	t = &trace{base: r.begin()}
	runtime.LockOSThread() // Pdeathsig looks at the thread
	defer runtime.UnlockOSThread()
	cmd := self("child", r.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Record)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	said := t.listen(bufio.NewScanner(out), r.length)
	_ = cmd.Wait()
	if ctx.Err() == nil {
		return nil, fmt.Errorf("the child ended by itself: %s", said)
	}
	r.mu.Lock()
	t.ops = r.ops[:len(r.ops):len(r.ops)]
	r.mu.Unlock()
	return t, nil
}

// listen notes what the child was promised, until it is gone. It returns what
// the child said that was no promise.
func (t *trace) listen(lines *bufio.Scanner, ops func() int) (said string) {
	p := promise{window: -1, put: -1}
	for lines.Scan() {
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "w %d %s", &p.window, &p.durable); n == 2 {
			t.lived = p.window + 2
		} else if n, _ := fmt.Sscanf(line, "p %d", &p.put); n != 1 {
			said += line
			continue
		}
		t.acks = append(t.acks, ack{ops(), p})
	}
	return said
}

// promised is what the child knew to be durable when the card had done cut
// ops.
func (t *trace) promised(cut int) promise {
	p := promise{window: -1, put: -1}
	for _, a := range t.acks {
		if a.ops > cut {
			break
		}
		p = a.promise
	}
	p.lived = t.lived
	return p
}

// examine builds the images of rising cuts and looks at each.
func (t *trace) examine(ctx context.Context, cfg Config, cuts []int, r *rand.Rand) (unmountable, wrong []string, err error) {
	dir, err := os.MkdirTemp(cfg.Folder, "cut")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "mount")
	if err := os.Mkdir(at, 0o700); err != nil {
		return nil, nil, err
	}
	safe, done := slices.Clone(t.base), 0 // what is flushed, and by which op
	for _, cut := range cuts {
		if err := ctx.Err(); err != nil {
			return unmountable, wrong, err
		}
		flushed := done
		for i := done; i < cut-cfg.Lie; i++ {
			if t.ops[i].data == nil {
				flushed = i
			}
		}
		for ; done < flushed; done++ {
			copy(safe[t.ops[done].off:], t.ops[done].data)
		}
		image := filepath.Join(dir, "image")
		if err := writeImage(image, safe, t.ops[done:cut], r); err != nil {
			return unmountable, wrong, err
		}
		mounted, bad, err := look(image, at, t.promised(cut))
		switch {
		case err != nil:
			return unmountable, wrong, err
		case !mounted:
			unmountable = append(unmountable, fmt.Sprintf("cut at %d: %s", cut, bad))
		case bad != "":
			wrong = append(wrong, fmt.Sprintf("cut at %d of %d: %s", cut, len(t.ops), bad))
		}
	}
	return unmountable, wrong, nil
}

// writeImage writes a disk: all of safe, and of each write after the last
// flush either everything, some sectors, or nothing.
func writeImage(path string, safe []byte, late []op, r *rand.Rand) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(len(safe))); err != nil {
		return err
	}
	const piece = 64 << 10
	zero := string(make([]byte, piece))
	for off := 0; off < len(safe); off += piece {
		if b := safe[off : off+piece]; string(b) != zero {
			if _, err := f.WriteAt(b, int64(off)); err != nil {
				return err
			}
		}
	}
	for _, o := range late {
		fate := r.IntN(4) // half of them kept, a quarter torn, a quarter dropped
		for i := 0; i < len(o.data); i += sectorSize {
			if fate == 3 || fate == 2 && r.IntN(2) == 0 {
				continue
			}
			if _, err := f.WriteAt(o.data[i:min(len(o.data), i+sectorSize)], o.off+int64(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// look mounts an image and has it verified by a process of its own.
func look(image, at string, p promise) (mounted bool, bad string, err error) {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return false, "", err
	}
	defer f.Close()
	loop, err := disk.Attach(int(f.Fd()))
	if err != nil {
		return false, "", err
	}
	defer func() { err = errors.Join(err, loop.Close()) }()
	if err := loop.Mount(at, ""); err != nil {
		return false, err.Error(), nil
	}
	defer func() { err = errors.Join(err, disk.Unmount(at)) }()
	out, failed := self("verify", at, fmt.Sprint(p.window), fmt.Sprint(p.put), fmt.Sprint(p.lived), p.durable).CombinedOutput()
	if failed != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return true, fmt.Sprintf("%s (%v)", first, failed), nil
	}
	return true, "", nil
}
