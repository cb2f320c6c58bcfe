// jsdom draws nothing, and says so on every attempt.
HTMLCanvasElement.prototype.getContext = () => null;
