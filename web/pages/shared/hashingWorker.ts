import "firertc/hashingWorker";
