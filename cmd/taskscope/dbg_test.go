package main
import ("testing";"syscall";"time";"golang.org/x/sys/unix";"strings";"reflect";"github.com/hinshun/vt10x")
func TestDbg(t *testing.T){
	before := terminalSettings(t)
	s := openScreen(t)
	s.shows("COMMAND")
	raw := s.settings()
	for i := range 150 {
	s.cmd.Process.Signal(syscall.SIGSTOP)
	waitFor(t, "x", func() bool { return strings.Contains(textOf(s.cmd.Process.Pid, "stat"), ") T ") })
	unix.IoctlSetTermios(int(s.tty.Fd()), unix.TCSETS, &before)
	s.cmd.Process.Signal(syscall.SIGCONT)
	ok := false
	for range 300 { if ok = reflect.DeepEqual(s.settings(), raw) && s.term.Mode()&vt10x.ModeAltScreen != 0; ok {break}; time.Sleep(10*time.Millisecond) }
	if !ok {
	t.Logf("%d raw %+v", i, raw)
	t.Logf("after %+v %v", s.settings(), s.term.Mode())
	t.Log(textOf(s.cmd.Process.Pid,"stat"))
	s.cmd.Process.Signal(syscall.SIGQUIT)
	time.Sleep(time.Second)
	
	t.FailNow()
	}
	}
}
