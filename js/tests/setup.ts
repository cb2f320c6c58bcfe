// jsdom draws nothing, and says so on every attempt.
HTMLCanvasElement.prototype.getContext = () => null;
// The tour was seen, but where it is the subject.
localStorage.setItem("strace-widgets-tour", "shown");
