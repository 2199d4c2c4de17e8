"""The floor: a C program that receives a request and sends an answer that lies ready, and nothing else."""
