package inspect

import (
	"os"
	"slices"
	"testing"
)

func TestPressureTotal(t *testing.T) {
	for text, want := range map[string]uint64{
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=74567\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9513\n": 74567000,
		"full avg10=0.00 total=1\nsome avg10=0.00 total=0\n":                                                      0,
	} {
		if got, ok := pressureTotal([]byte(text)); !ok || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "full total=3\n", "some total=\n", "some total=-1\n", "some total=99999999999999999999\n"} {
		if got, ok := pressureTotal([]byte(text)); ok {
			t.Errorf("%q = %d, want nothing", text, got)
		}
	}
}

func TestUnifiedDir(t *testing.T) {
	const v1 = "30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	for _, tt := range []struct{ mounts, path, want string }{
		{v1 + "31 20 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n", "/a/b", "/sys/fs/cgroup/unified/a/b"},
		{"31 20 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/", "/sys/fs/cgroup"},
		{"31 20 0:27 /a /mnt rw - cgroup2 cgroup2 rw\n", "/a/b", "/mnt/b"},
		{"31 20 0:27 /a /mnt rw - cgroup2 cgroup2 rw\n", "/..b", ""},
		{"31 20 0:27 /a /mnt rw - cgroup2 cgroup2 rw\n", "/c", ""},
		{v1, "/a", ""},
	} {
		if got, ok := unifiedDir(tt.mounts, tt.path); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q in %q: %q, %v; want %q", tt.path, tt.mounts, got, ok, tt.want)
		}
	}
}

// TestPressureOfOwnGroup: where the file is, what is read is its total, and we
// are a member of our own group.
func TestPressureOfOwnGroup(t *testing.T) {
	r, err := NewReader(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	self := os.Getpid()
	s, err := r.Read(t.Context(), Request{Only: []int{self}, Focus: self, Detail: DetailPressure, Want: WantHost})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/pressure/memory"); err != nil {
		if s.Host.MemoryStallNS.OK() {
			t.Errorf("%+v, although %v", s.Host.MemoryStallNS, err)
		}
		t.Skip(err)
	}
	if !s.Host.MemoryStallNS.OK() {
		t.Errorf("the host's pressure is not known: %s", s.Host.MemoryStallNS.Why.Text())
	}
	p, ok := s.Detail.Pressure.Get()
	if !ok {
		t.Skipf("the group's pressure: %s", s.Detail.Pressure.Why.Text())
	}
	if !slices.Contains(p.Members, self) {
		t.Errorf("group %s of %v, we are %d", p.Path, p.Members, self)
	}
}
