package inspect

import "testing"

func counted(tid int, vol, run uint64) Thread {
	return Thread{
		ID: ThreadID{TID: tid}, Voluntary: Know(vol), Involuntary: Know(uint64(0)),
		RunNS: Know(run), ReadyNS: Know(uint64(0)), Slices: Know(vol),
	}
}

func total(x Exited, threads []Thread) uint64 {
	n := x.Voluntary
	for _, t := range threads {
		n += t.Voluntary.V
	}
	return n
}

func TestExitedPlus(t *testing.T) {
	tests := []struct {
		name     string
		old, cur []Thread
		want     Exited
	}{
		{name: "nobody left", old: []Thread{counted(1, 5, 5), counted(2, 7, 7)}, cur: []Thread{counted(1, 6, 6), counted(2, 7, 7)}},
		{
			name: "one left, one came", old: []Thread{counted(1, 5, 5), counted(2, 7, 70)}, cur: []Thread{counted(1, 6, 6), counted(3, 1, 1)},
			want: Exited{Threads: 1, Voluntary: 7, RunNS: 70, Slices: 7},
		},
		{
			// TID 3 called execve: it is the leader now. TID 1 (as it was) and
			// TID 2 have ended.
			name: "another thread took the leader's place",
			old:  []Thread{counted(1, 400, 800), counted(2, 90, 500), counted(3, 10, 20)},
			cur:  []Thread{counted(1, 12, 25)},
			want: Exited{Threads: 2, Voluntary: 490, RunNS: 1300, Slices: 490},
		},
		{
			name: "one that was never seen took the leader's place",
			old:  []Thread{counted(1, 400, 800), counted(2, 90, 500)}, cur: []Thread{counted(1, 12, 25)},
			want: Exited{Threads: 2, Voluntary: 490, RunNS: 1300, Slices: 490},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Exited{}.plus(tt.old, tt.cur)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if before, after := total(Exited{}, tt.old), total(got, tt.cur); after < before {
				t.Errorf("the total of the process went back from %d to %d", before, after)
			}
		})
	}
}

// TestExitedKeepsUp: what is shown as a total over living and exited threads does
// not fall because a thread was seen by the total and not by the list.
func TestExitedKeepsUp(t *testing.T) {
	before := &Process{Switches: Switches{Voluntary: Know[uint64](100), Involuntary: Know[uint64](87)}, RunNS: Know[uint64](500), Slices: Unknown[uint64](NotRead)}
	living := counters{voluntary: Know[uint64](60), involuntary: Know[uint64](37), run: Know[uint64](400), ready: Know[uint64](1), slices: Know[uint64](3)}
	got := Exited{Voluntary: 50, Involuntary: 49, RunNS: 99, Slices: 7}.keepUp(&living, before)
	want := Exited{Voluntary: 50, Involuntary: 50, RunNS: 100, Slices: 7}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
