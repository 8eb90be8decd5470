export * from '../seams/run-events'
