// The pages' folder is the process's current one.
[assembly: DoNotParallelize]
